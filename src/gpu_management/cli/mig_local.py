"""`gpuctl mig replay` and `gpuctl mig plan`: they work on files and need no server."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gpu_management.cli.errors import CliError, Misused
from gpu_management.cli.output import Format, Printer
from gpu_management.cli.shell import failing_well

Out = Annotated[str, typer.Option("--json", metavar="OUT", help="Write JSON there; - for stdout.")]


def replay(
    *,
    fleet: Annotated[Path, typer.Option(help="The MIG GPUs: a *.fleet.json.")],
    requests: Annotated[Path, typer.Option(help="Requests in order, CSV, also .gz.")],
    load: Annotated[float, typer.Option(help="Divides the times of arrival; above 0.")] = 1.0,
    policy: Annotated[str, typer.Option(help="default, first-fit or best-fit.")] = "default",
    max_moves: Annotated[
        int, typer.Option(min=0, max=64, help="Moves to make room for a request that fits nowhere.")
    ] = 0,
    json_file: Out = "-",
) -> None:
    """Play requests on an empty fleet: which are placed where, and which are refused."""
    with failing_well():
        from gpu_management.mig.replay_policies import POLICIES

        if policy not in POLICIES:
            raise Misused(f"there is no policy {policy!r}; there are {', '.join(POLICIES)}")
        if not 0 < load < float("inf"):
            raise Misused(f"--load is {load:g}; it is a number above 0")
        found = _replay(fleet, requests, load=load, policy=policy, max_moves=max_moves)
        write_json(json_file, found)
        if json_file != "-":
            _tell_replay(found)


def _replay(fleet: Path, requests: Path, **options: Any) -> dict[str, Any]:
    from gpu_management.mig.files import BadInput, read_arrivals, read_fleet
    from gpu_management.mig.replay import replay

    try:
        told = read_fleet(fleet)
        return replay(told, read_arrivals(requests, told), **options)
    except BadInput as error:
        raise Misused(str(error)) from error


def write_json(file: str, found: dict[str, Any]) -> None:
    """Write compact JSON to `file`, or to standard output for `-`.

    Raises:
        CliError: the file cannot be written.
    """
    import json

    text = json.dumps(found, separators=(",", ":")) + "\n"
    if file == "-":
        typer.echo(text, nl=False)
        return
    try:
        Path(file).write_text(text, encoding="utf-8")
    except OSError as error:
        raise CliError(f"cannot write {file}: {error.strerror}") from error


def _tell_replay(found: dict[str, Any]) -> None:
    times = ", ".join(f"{name} {value:.3f} ms" for name, value in found["decision_ms"].items())
    Printer(Format.TABLE).pairs(
        [
            ("POLICY", f"{found['policy']}, load {found['load']:g}"),
            ("PLACED", f"{len(found['placements']):,}"),
            ("MOVED", f"{len(found['moves']):,}"),
            ("DECISION", times),
        ]
    )
