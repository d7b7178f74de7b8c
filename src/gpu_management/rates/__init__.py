"""What a model, a profile or a share costs at a time."""
