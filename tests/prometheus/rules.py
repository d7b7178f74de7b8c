"""The shipped rules, and promtool, which judges them."""

import shutil
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

SHIPPED = Path(__file__).resolve().parents[2] / "prometheus"
GUIDE = Path(__file__).resolve().parent / "guide"
RULE_FILES = (SHIPPED / "gpu-management-rules.yml", *sorted((SHIPPED / "rules").glob("*.yml")))


def read(file: Path) -> Any:
    """Return what a YAML file says."""
    return yaml.safe_load(file.read_text(encoding="utf-8"))


@cache
def rules() -> list[dict[str, Any]]:
    """Return every shipped rule."""
    return [
        rule for file in RULE_FILES for group in read(file)["groups"] for rule in group["rules"]
    ]


def groups() -> list[str]:
    """Return the name of every shipped group."""
    return [group["name"] for file in RULE_FILES for group in read(file)["groups"]]


def alerts() -> dict[str, dict[str, Any]]:
    """Return every shipped alert by name."""
    return {rule["alert"]: rule for rule in rules() if "alert" in rule}


def promtool(*arguments: str) -> str:
    """Return what promtool prints, which must be content; skip where it is not installed."""
    tool = shutil.which("promtool")
    if tool is None:
        pytest.skip("promtool is not installed; on Debian: apt-get install prometheus")
    done = subprocess.run([tool, *arguments], capture_output=True, text=True, check=False)
    told = done.stdout + done.stderr
    assert done.returncode == 0, told
    return told
