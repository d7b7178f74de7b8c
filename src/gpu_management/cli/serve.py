"""`gpuctl serve`: read the settings, assemble the process, answer until told to stop."""

import logging
import os
import signal
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import uvicorn

from gpu_management.cli import banner, wiring
from gpu_management.core import garbage, logs
from gpu_management.core.schema import DatabaseTooNew
from gpu_management.core.settings import Settings
from gpu_management.core.settings_items import SettingsError
from gpu_management.core.settings_load import Loaded, bind_check, load
from gpu_management.core.settings_report import show
from gpu_management.simulate import fleets

EXIT_USAGE = 2
EXIT_UNREACHABLE = 3


def command(  # noqa: PLR0913 - one argument per flag of the command
    *,
    host: str | None = None,
    port: int | None = None,
    database_url: str | None = None,
    fleet: str = "none",
    nodes: Path | None = None,
    pods: Path | None = None,
    speed: float | None = None,
    seed: int = 42,
    role: str | None = None,
    insecure: bool | None = None,
    config: Sequence[Path] = (),
    profiles: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
) -> int:
    """Serve until SIGTERM or Ctrl-C; return the exit code."""
    flags: dict[str, object] = {
        "server.host": host,
        "server.port": port,
        "server.role": role,
        "server.insecure": insecure,
        "database.url": database_url,
        **(settings or {}),
    }
    wanted = fleets.Wanted(fleet, nodes=nodes, pods=pods, speed=speed, seed=seed)
    try:
        loaded = load(config=config, profiles=profiles, environ=os.environ, flags=flags)
        bind_check(loaded.settings)
        fleets.check(wanted)
        return _serve(loaded, wanted)
    except (SettingsError, fleets.FleetUnusable) as unusable:
        _complain(unusable)
        return EXIT_USAGE
    except (wiring.DatabaseUnreachable, DatabaseTooNew) as failed:
        _complain(failed)
        return EXIT_UNREACHABLE


def _complain(problem: Exception) -> None:
    lines = problem.problems if isinstance(problem, SettingsError) else (str(problem),)
    for line in lines:
        sys.stderr.write(f"gpuctl serve: {line}\n")


def _serve(loaded: Loaded, wanted: fleets.Wanted) -> int:
    settings = loaded.settings
    logs.configure(settings.logging)
    logs.log_uncaught()
    for chatty in ("apscheduler", "alembic"):
        logging.getLogger(chatty).setLevel(logging.WARNING)
    log = logs.get_logger("gpu_management.cli.serve")
    for warning in loaded.warnings:
        log.warning("configuration: %s", warning)
    process = wiring.build(settings)
    process.app.state.settings_shown = show(loaded)
    simulation = fleets.prepare(process, wanted, tell=banner.teller(settings))
    server = _server(settings, process)
    garbage.settle()
    if settings.server.role != "api":
        process.loops.start()
    if simulation is not None:
        simulation.start()
    try:
        sockets = [server.config.bind_socket()]
        banner.greet(settings, sockets[0].getsockname()[1], wanted.name)
        with suppress(KeyboardInterrupt):
            server.run(sockets=sockets)
    finally:
        if simulation is not None:
            simulation.stop()
        process.loops.stop()
        process.courier.stop()
    return 0


def _server(settings: Settings, process: wiring.Process) -> uvicorn.Server:
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    return uvicorn.Server(
        uvicorn.Config(
            process.app,
            host=settings.server.host,
            port=settings.server.port,
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=settings.server.shutdown_seconds,
            proxy_headers=False,
        )
    )
