"""The assembled product on an empty database: what the generated pages are read from."""

import logging
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from inspect import getclosurevars
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.dependencies.models import Dependant
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.testclient import TestClient

from gpu_management.auth.access import Permission
from gpu_management.cli import wiring
from gpu_management.controller.cluster import CONNECTED, SYNCED_AT
from gpu_management.controller.enforcer import FAILURES
from gpu_management.controller.loops import JOB_FAILURES, JOB_SECONDS
from gpu_management.core.clock import Clock
from gpu_management.core.settings_load import load

ROOT = Path(__file__).resolve().parent.parent
REFERENCE = ROOT / "docs" / "reference"
MADE = "<!-- Made by `make docs`; do not edit: a test compares it with the code. -->"


@dataclass(frozen=True, slots=True)
class Facts:
    """What the running product says about itself."""

    openapi: Mapping[str, Any]
    permissions: Mapping[str, Permission]
    """By operation id; operations that ask for none are missing."""
    exposition: str


@cache
def facts() -> Facts:
    """Start the product on a database of its own, use it a little, and read what it offers."""
    hands = [datetime(2026, 1, 15, 12, tzinfo=UTC)]
    with _process(lambda: hands[0]) as process:
        # The context manager runs the application's lifespan, which closes the database.
        with TestClient(process.app) as client:
            _use(client)
            hands[0] += timedelta(hours=1)
            exposition = client.get("/metrics").text
        return Facts(process.app.openapi(), _permissions(process.app), exposition)


@contextmanager
def _process(clock: Clock) -> Iterator[wiring.Process]:
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{Path(folder) / 'docs.db'}"
        logging.getLogger("alembic").setLevel(logging.WARNING)
        settings = load(environ={}, flags={"database.url": url}).settings
        yield wiring.build(settings, clock=clock)


def _use(client: TestClient) -> None:
    """Do one of everything that gives a metric its labels."""
    device = {"nodeName": "gpu-worker-1", "deviceIndex": 0, "modelId": "h100-sxm5-80gb"}
    client.post("/api/v1/gpu/devices", json=device).raise_for_status()
    ask = {
        "namespace": "docs",
        "podName": "page",
        "workloadType": "Training",
        "requiredMemoryGb": 80,
    }
    client.post("/api/v1/gpu/allocations", json=ask).raise_for_status()
    JOB_SECONDS.labels("expiry")
    JOB_FAILURES.labels("expiry")
    CONNECTED.labels("gpu-cluster")
    SYNCED_AT.labels("gpu-cluster")
    FAILURES.labels("deadline")


def _permissions(app: FastAPI) -> dict[str, Permission]:
    found = {}
    for route in _routes(app):
        permission = _permission(route.dependant)
        if permission is not None:
            found[str(route.operation_id)] = permission
    return found


def _routes(app: FastAPI) -> Iterator[Any]:
    for context in iter_route_contexts(app.routes):
        if isinstance(context.original_route, APIRoute) and context.operation_id:
            yield context


def _permission(dependant: Dependant) -> Permission | None:
    """Return what `auth.routes.requires` was given, wherever it stands among the dependencies."""
    for needed in dependant.dependencies:
        if getattr(needed.call, "__qualname__", "").startswith("requires."):
            asked = getclosurevars(needed.call).nonlocals["permission"]
            assert isinstance(asked, Permission)  # noqa: S101 - its only argument
            return asked
        found = _permission(needed)
        if found is not None:
            return found
    return None
