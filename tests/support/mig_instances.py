"""Where the published MIG instances are, on machines that have them."""

import os
from pathlib import Path

import pytest

_ROOT = Path(__file__).resolve().parents[2]


def data_folder() -> Path:
    """Return the folder of the MIG instances; it need not exist."""
    told = os.environ.get("GPU_MANAGEMENT_TEST_DATA", _ROOT.parent / "shared" / "data")
    return Path(told) / "mig"


def data_file(name: str) -> Path:
    """Return a file of the instances; the test is skipped where it is absent."""
    file = data_folder() / name
    if not file.is_file():
        pytest.skip(f"the MIG instances are not on this machine ({name})")
    return file
