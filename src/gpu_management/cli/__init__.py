"""The `gpuctl` command: an HTTP client of the API, and the commands that start the product."""
