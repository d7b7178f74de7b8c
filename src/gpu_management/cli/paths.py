"""Where the API keeps things, and how commands fill paths and bodies."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from gpu_management.cli.errors import Misused

GPU = "/api/v1/gpu"
DEVICES = f"{GPU}/devices"
NODES = f"{GPU}/nodes"
MODELS = f"{GPU}/models"
ALLOCATIONS = f"{GPU}/allocations"
STATISTICS = f"{GPU}/statistics"
OVERVIEW = f"{GPU}/overview"
WORKLOADS = f"{GPU}/workload-profiles"
EVENTS = f"{GPU}/events"
COST = f"{GPU}/cost/analysis"
OWN_COST = f"{GPU}/me/cost"
RATES = f"{GPU}/rates"
MIG_PROFILES = f"{GPU}/mig/profiles"
MIG_CUTS = f"{GPU}/mig/devices"
MIG_INSTANCES = f"{GPU}/mig/instances"
KEYS = "/api/v1/admin/api-keys"
TEAMS = "/api/v1/admin/teams"
AUDIT = "/api/v1/admin/audit"
SETTINGS = "/api/v1/admin/settings"
ME = "/api/v1/auth/me"


def under(path: str, *names: str) -> str:
    """Return the path of something below `path`; each name fills one segment."""
    return "/".join([path, *(quote(name, safe="") for name in names)])


def given(**fields: Any) -> dict[str, Any]:
    """Return the fields that were given a value."""
    return {name: value for name, value in fields.items() if value is not None}


def labels(texts: Sequence[str], option: str) -> dict[str, str]:
    """Read NAME=VALUE texts.

    Raises:
        Misused: one of them has no `=`.
    """
    for text in texts:
        if "=" not in text:
            raise Misused(f"{option} needs NAME=VALUE, not {text!r}")
    return {name: value for name, _, value in (text.partition("=") for text in texts)}


def read_json(file: Path) -> Any:
    """Read a JSON file.

    Raises:
        Misused: it cannot be read, or is not JSON.
    """
    import json

    try:
        return json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise Misused(f"cannot read JSON from {file}: {error}") from error
