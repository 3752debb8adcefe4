"""The services around ECS that the sandbox answers itself, from what the world does."""
