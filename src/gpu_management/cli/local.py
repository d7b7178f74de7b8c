"""Commands that need no server: serve, migrate, config, simulate, version."""

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from gpu_management.cli.errors import CliError, Misused
from gpu_management.cli.output import Column, Format, Printer, col, remark
from gpu_management.cli.paths import labels
from gpu_management.cli.shell import failing_well, group


class Fleet(StrEnum):
    """What the server shows."""

    NONE = "none"
    DEMO = "demo"
    OPENB = "openb"


class ServerRole(StrEnum):
    """What the process runs."""

    ALL = "all"
    API = "api"
    CONTROLLER = "controller"


Config = Annotated[
    list[Path],
    typer.Option("--config", "-c", help="Settings file or folder; later ones win."),
]
Profiles = Annotated[list[str], typer.Option("--profile", help="Such as production.")]
Set = Annotated[
    list[str], typer.Option("--set", metavar="KEY=VALUE", help="One setting, over all files.")
]
Output = Annotated[Format, typer.Option("--output", "-o", help="How to print.")]


def install(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    app.command("serve")(serve)
    app.command("migrate")(migrate)
    app.command("version")(version)
    config = group("config", "Settings of the server on this machine.", inside=app)
    config.command("show")(show_config)
    simulate = group("simulate", "Play on a fleet that is not there.", inside=app)
    simulate.command("placement")(placement)


def serve(  # noqa: PLR0913 - typer reads the options from the signature
    *,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(min=0, max=65535, help="0 takes a free one.")] = None,
    database_url: Annotated[str | None, typer.Option(help="SQLite or PostgreSQL.")] = None,
    fleet: Annotated[Fleet, typer.Option(help="A simulated fleet to show.")] = Fleet.NONE,
    nodes: Annotated[Path | None, typer.Option(help="Node list of the openb fleet.")] = None,
    pods: Annotated[Path | None, typer.Option(help="Pod list of the openb fleet.")] = None,
    speed: Annotated[float | None, typer.Option(min=0, help="Times faster than life.")] = None,
    seed: Annotated[int, typer.Option(help="Makes a simulated fleet repeatable.")] = 42,
    role: Annotated[ServerRole | None, typer.Option(help="What this process runs.")] = None,
    insecure: Annotated[
        bool, typer.Option("--insecure", help="Let other machines in without authentication.")
    ] = False,
    config: Config = [],  # noqa: B006 - typer copies it
    profile: Profiles = [],  # noqa: B006 - typer copies it
    settings: Set = [],  # noqa: B006 - typer copies it
) -> None:
    """Start the API, the dashboard and the controller loops."""
    with failing_well():
        from gpu_management.cli.serve import command

        ended = command(
            host=host,
            port=port,
            database_url=database_url,
            fleet=fleet.value,
            nodes=nodes,
            pods=pods,
            speed=speed,
            seed=seed,
            role=role.value if role else None,
            insecure=insecure or None,
            config=config,
            profiles=profile,
            settings=labels(settings, "--set"),
        )
        raise typer.Exit(ended)


def migrate(
    *,
    database_url: Annotated[str | None, typer.Option(help="SQLite or PostgreSQL.")] = None,
    config: Config = [],  # noqa: B006 - typer copies it
    profile: Profiles = [],  # noqa: B006 - typer copies it
    settings: Set = [],  # noqa: B006 - typer copies it
) -> None:
    """Bring the database to the newest version."""
    with failing_well():
        from gpu_management.cli.migrate import command

        flags = labels(settings, "--set")
        ended = command(database_url=database_url, config=config, profiles=profile, settings=flags)
        raise typer.Exit(ended)


def version(*, output: Output = Format.TABLE) -> None:
    """Show the version of this program."""
    import platform

    from gpu_management import __version__

    printer = Printer(output)
    told = {"version": __version__, "python": platform.python_version()}
    printer.done(f"gpuctl {__version__}, Python {told['python']}", told)


def show_config(
    *,
    origin: Annotated[bool, typer.Option("--origin", help="Say where each value is from.")] = False,
    changed: Annotated[bool, typer.Option("--changed", help="Leave the defaults out.")] = False,
    config: Config = [],  # noqa: B006 - typer copies it
    profile: Profiles = [],  # noqa: B006 - typer copies it
    settings: Set = [],  # noqa: B006 - typer copies it
    output: Output = Format.TABLE,
) -> None:
    """Show what `gpuctl serve` would be set to; secrets are masked."""
    with failing_well(output):
        rows, warnings = _settings(config, profile, settings)
        kept = [row for row in rows if not changed or row["origin"] != "default"]
        origins = [col("ORIGIN", "origin", rank=1)] if origin or changed else []
        shown: list[Column] = [
            col("SETTING", "key"),
            col("VALUE", "value", flexible=True),
            *origins,
        ]
        more = [col("VARIABLE", "env", rank=3), col("ABOUT", "description", rank=4)]
        printer = Printer(output)
        printer.rows(kept, shown + (more if output is Format.WIDE else []), empty="all default")
        for warning in warnings:
            remark(f"warning: {warning}")


def _settings(
    config: list[Path], profiles: list[str], settings: list[str]
) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    from dataclasses import asdict

    from gpu_management.core.settings_items import SettingsError
    from gpu_management.core.settings_load import load
    from gpu_management.core.settings_report import show

    flags: dict[str, object] = dict(labels(settings, "--set"))
    try:
        loaded = load(config=config, profiles=profiles, environ=os.environ, flags=flags)
    except SettingsError as error:
        raise Misused(str(error)) from error
    return [asdict(row) for row in show(loaded)], loaded.warnings


def placement(  # noqa: PLR0913 - typer reads the options from the signature
    *,
    nodes: Annotated[Path, typer.Option(help="Nodes, CSV.")],
    pods: Annotated[Path, typer.Option(help="Pods, CSV, also .gz.")],
    arrivals: Annotated[Path, typer.Option(help="Order of arrival, CSV, also .gz.")],
    ranks: Annotated[Path, typer.Option(help="Ranks of nodes for ties, CSV, also .gz.")],
    seed: Annotated[int, typer.Option(help="Which order of arrival.")] = 42,
    policy: Annotated[str, typer.Option(help="ours, best-fit, fgd or random.")] = "ours",
    json_file: Annotated[
        str | None, typer.Option("--json", metavar="OUT", help="Write JSON there; - for stdout.")
    ] = None,
) -> None:
    """Play the placement protocol: how much of a fleet gets allocated at which load."""
    with failing_well():
        found = _play(nodes, pods, arrivals, ranks, seed=seed, policy=policy)
        if json_file == "-":
            Printer(Format.JSON).data(found)
            return
        if json_file is not None:
            write_json(Path(json_file), found)
        _tell_placement(found)


def _play(*files: Path, seed: int, policy: str) -> dict[str, Any]:
    from gpu_management.simulate.placement import run

    nodes, pods, arrivals, ranks = files
    for file in files:
        if not file.is_file():
            raise Misused(f"there is no file {file}")
    try:
        return run(nodes, pods, arrivals, ranks, seed=seed, policy=policy)
    except ValueError as error:
        raise Misused(str(error)) from error


def write_json(file: Path, found: dict[str, Any]) -> None:
    """Write a document to a file, for people and programs."""
    import json

    try:
        file.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise CliError(f"cannot write {file}: {error.strerror}") from error


def _tell_placement(found: dict[str, Any]) -> None:
    printer = Printer(Format.TABLE)
    printer.pairs(
        [
            ("POLICY", f"{found['policy']}, seed {found['seed']}"),
            ("PODS", f"{found['placed']:,} placed, {found['rejected']:,} rejected"),
            ("DECISION", ", ".join(f"{n} {v:.3f} ms" for n, v in found["decision_ms"].items())),
        ]
    )
    printer.gap()
    loads = [(f"{load}%", f"{share:.2f}%") for load, share in found["alloc_pct"].items()]
    printer.grid([("ASKED FOR", True), ("ALLOCATED", True)], loads)
