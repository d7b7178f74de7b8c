"""What a starting server says: a banner to people, one line of the log to everybody else."""

import sys
from collections.abc import Callable

from gpu_management import __version__
from gpu_management.core.logs import get_logger
from gpu_management.core.settings import Settings, auth_enforced

log = get_logger("gpu_management.cli.serve")


def is_for_people(settings: Settings) -> bool:
    """Tell whether somebody reads along: a terminal, and no JSON logs (CFG-11)."""
    return sys.stderr.isatty() and settings.logging.format != "json"


def teller(settings: Settings) -> Callable[[str], None]:
    """Return what tells about progress, for people or for the log."""
    if is_for_people(settings):
        return lambda message: _write(f"  {message}")
    return lambda message: log.info("GPU fleet: %s", message)


def greet(settings: Settings, port: int, fleet: str) -> None:
    """Say where the server answers, and what it runs with."""
    address = f"http://{settings.server.host}:{port}"
    if not is_for_people(settings):
        facts = {
            "version": __version__,
            "profiles": ",".join(settings.profiles) or "none",
            "database": settings.database.url,
            "cluster": settings.cluster.name,
            "auth": "enforced" if auth_enforced(settings) else "off",
        }
        log.info("GPU management answers at %s/", address, **facts)
        return
    guard = "on" if auth_enforced(settings) else "OFF (development mode)"
    lines = [
        f"k8s-gpu-management {__version__}",
        f"  open        {address}/",
        f"  API docs    {address}/docs",
        f"  cluster     {settings.cluster.name}",
        f"  profiles    {', '.join(settings.profiles) or 'none'}",
        f"  database    {settings.database.url}",
        f"  fleet       {fleet}",
        f"  auth        {guard}",
        "",
        "  Try, in another terminal:",
        "    .venv/bin/gpuctl overview",
        "    .venv/bin/gpuctl request --namespace ml-training --pod first-try --memory 40",
        f"    curl -s '{address}/api/v1/gpu/devices?limit=3'",
        "",
        "  Stop with Ctrl-C.",
    ]
    _write("\n".join(lines))


def _write(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()
