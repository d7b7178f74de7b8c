"""The guide's snippets, unchanged but for addresses, paths and template variables."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest

from tests.support.server import environment

SNIPPETS = Path(__file__).resolve().parents[1] / "acceptance" / "guide"


def snippet(name: str, **replaced: str) -> str:
    """Return a snippet with each given text replaced; every one of them must occur."""
    text = (SNIPPETS / name).read_text("utf-8")
    for old, new in replaced.items():
        assert old in text, f"{name} has no {old}"
        text = text.replace(old, new)
    return text


def with_host(name: str, host: str, url: str, also: Mapping[str, str] | None = None) -> str:
    """Return a snippet that asks `url` instead of the guide's host."""
    return snippet(name, **{host: url, **(also or {})})


def shell(script: str, folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a script in dash with curl and jq, as the guide's images do; skip without them."""
    need("dash", "curl", "jq")
    environ = environment() | {"no_proxy": "127.0.0.1", "NO_PROXY": "127.0.0.1"}
    return subprocess.run(
        ["dash", "-c", script],
        cwd=folder,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def need(*programs: str) -> None:
    """Skip where a program is missing; in CI that is a failure."""
    missing = [program for program in programs if shutil.which(program) is None]
    if not missing:
        return
    reason = f"needs {', '.join(missing)}: apt-get install {' '.join(missing)}"
    if os.environ.get("CI") == "true":
        pytest.fail(reason)
    pytest.skip(reason)
