"""Commands for pipelines: a thin client of the console's API that needs no settings and no database."""
