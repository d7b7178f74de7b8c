"""`gpuctl mig replay` and `gpuctl mig plan`: they work on files and need no server."""

from pathlib import Path
from typing import Annotated, Any, Final

import typer

from gpu_management.cli.errors import CliError, Misused
from gpu_management.cli.output import Format, Printer
from gpu_management.cli.shell import failing_well

_LONGEST_S: Final = 86_400

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


def plan(
    *,
    state: Annotated[Path, typer.Option(help="What stands on the MIG GPUs: a *.state.json.")],
    demand: Annotated[Path, typer.Option(help="What is asked for: a *.demand.json.")],
    time_limit: Annotated[float, typer.Option(metavar="SECONDS", help="For the search.")] = 30.0,
    json_file: Out = "-",
) -> None:
    """Plan a repacking: who moves where, in which order, so that the demand fits."""
    with failing_well():
        if not 0 < time_limit <= _LONGEST_S:
            raise Misused(f"--time-limit is {time_limit:g}; it is from above 0 to {_LONGEST_S}")
        found = _plan(state, demand, time_limit)
        write_json(json_file, found.as_document())
        if json_file != "-":
            _tell_plan(found)


def _plan(state: Path, demand: Path, limit_s: float) -> Any:
    from gpu_management.mig.files import BadInput
    from gpu_management.mig.plan_files import read_situation
    from gpu_management.mig.planner import plan as search

    try:
        return search(read_situation(state, demand), limit_s=limit_s)
    except BadInput as error:
        raise Misused(str(error)) from error


def _tell_plan(found: Any) -> None:
    value, bound = found.value, found.bound
    left = ", ".join(f"{count} x {name}" for name, count in found.unserved.items())
    rows = [
        ("UNSERVED SLICES", value.unserved_slices, bound.unserved_slices),
        ("RESTARTS", value.restarts, bound.restarts),
        ("COST OF MOVES", value.move_cost, bound.move_cost),
        ("GPUS TOUCHED", value.gpus_touched, bound.gpus_touched),
        ("SECONDS", value.makespan_s, None),
    ]
    printer = Printer(Format.TABLE)
    printer.pairs(
        [
            ("STEPS", f"{len(found.steps):,}"),
            ("STAYS UNSERVED", left or "nothing"),
            ("PROVED BEST", "yes" if found.optimal else "no"),
            ("SEARCH", f"{found.solve_ms:,.0f} ms"),
        ]
    )
    printer.gap()
    heads = [("FIGURE", False), ("PLAN", True), ("AT LEAST", True)]
    told = [(n, f"{v:g}", "" if least is None else f"{least:g}") for n, v, least in rows]
    printer.grid(heads, told)


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
