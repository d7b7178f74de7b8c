"""Lets `python -m gpu_management.cli` be `gpuctl`."""

from gpu_management.cli.main import main

if __name__ == "__main__":
    main()
