"""What GPUs do: samples and ranges, and use attributed to holds."""
