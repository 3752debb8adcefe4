"""`make bench`: what the console costs, each figure beside a floor or a peer measured in the same run."""
