"""`gpuctl mig preview`, `fragmentation`, `layout legal`: what a repacking would do."""

from typing import Annotated, Any

import typer

from gpu_management.cli.errors import Misused
from gpu_management.cli.output import col, num
from gpu_management.cli.paths import given, under
from gpu_management.cli.shell import Shell

MODELS = "/api/v1/gpu/models"
MIG_PLAN = "/api/v1/gpu/mig/plan"
FRAGMENTATION = "/api/v1/gpu/mig/fragmentation"


_STEPS = (
    num("#", lambda row: str(row["number"])),
    col("STEP", "op"),
    col("PROFILE", "profile"),
    col("TO", "deviceId"),
    col("FROM", "fromDeviceId", rank=2),
    num("AFTER", lambda row: f"{row['startsAfterSeconds']:.0f} s", rank=1),
    num("TAKES", lambda row: f"{row['seconds']:.0f} s"),
    num("DOWN", lambda row: f"{row['downtimeSeconds']:.0f} s"),
    col("HITS", "podName", flexible=True),
)


def preview(  # noqa: PLR0913 - typer reads the options from the signature
    shell: Shell,
    *,
    demand: Annotated[
        list[str],
        typer.Option("--demand", metavar="PROFILE=COUNT", help="Else what waiting requests want."),
    ] = [],  # noqa: B006 - typer copies it
    movable_type: Annotated[
        list[str], typer.Option(help="Kind of work whose slices may move, such as Development.")
    ] = [],  # noqa: B006 - typer copies it
    movable_team: Annotated[list[str], typer.Option(help="Team whose slices may move.")] = [],  # noqa: B006 - typer copies it
    keep_node: Annotated[list[str], typer.Option(help="Node that is not touched.")] = [],  # noqa: B006 - typer copies it
    cost_limit: Annotated[
        float | None, typer.Option(min=0, help="Moves cost at most this.")
    ] = None,
    time_limit: Annotated[float, typer.Option(min=0.1, max=30, help="Seconds to plan.")] = 5.0,
    history: Annotated[
        int | None, typer.Option(min=1, help="Room for what was in use at once, in days.")
    ] = None,
) -> None:
    """Plan a repacking of the running fleet: steps, who is hit, for how long. Changes nothing."""
    body = given(
        demand=_counts(demand) or None,
        movableWorkloadTypes=movable_type or None,
        movableTeams=movable_team or None,
        keepNodes=keep_node or None,
        costLimit=cost_limit,
        timeLimitSeconds=time_limit,
        historyDays=history,
    )
    found = shell.send("POST", MIG_PLAN, body)
    printer = shell.printer
    if not printer.is_for_people():
        printer.data(found)
        return
    figures = found["figures"]
    printer.pairs(
        [
            ("DEMAND", _told(found["demand"])),
            ("UNSERVED", f"{_told(found['unserved'])} ({figures['unservedSlices']:g} slices)"),
            ("MOVES", f"cost {figures['moveCost']:g}, {figures['restarts']} with a stop"),
            (
                "GPUS",
                f"{figures['gpusTouched']:g} touched, done in {found['makespanSeconds']:.0f} s",
            ),
            ("PROOF", "no plan is better" if found["optimal"] else "not proved to be the best"),
        ]
    )
    printer.gap()
    printer.rows(found["steps"], _STEPS, empty="nothing to do")


def fragmentation(shell: Shell) -> None:
    """Show how much MIG capacity the present layout wastes, and what fits."""
    found = shell.object(FRAGMENTATION)
    printer = shell.printer
    if not printer.is_for_people():
        printer.data(found)
        return
    ratio = "-" if found["ratio"] is None else f"{found['ratio']:.1%}"
    printer.pairs([("WASTED", ratio), ("GPUS", f"{found['devices']:,}")])
    printer.gap()
    after = found["fitsRepacked"]
    rows = [(name, f"{now:,}", f"{after[name]:,}") for name, now in found["fitsNow"].items()]
    printer.grid([("PROFILE", False), ("FIT NOW", True), ("AFTER A REPACK", True)], rows)


def legal(
    shell: Shell,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="See `gpuctl models list`.")],
) -> None:
    """List the layouts of a model to which nothing can be added."""
    columns = (
        col("LAYOUT", "layout"),
        col("PLACES", "places", rank=2, flexible=True),
    )
    answer = shell.api.get(under(MODELS, model, "mig", "layouts")).data
    if not shell.printer.is_for_people():
        shell.printer.data(answer)
        return
    shell.printer.rows([_layout(row) for row in answer], columns, empty="no layouts")


def _layout(row: dict[str, Any]) -> dict[str, Any]:
    places = ", ".join(f"{one['profile']}@{one['start']}" for one in row["placements"])
    return {"layout": _told(row["profiles"]), "places": places}


def _counts(texts: list[str]) -> dict[str, int]:
    counts = {}
    for text in texts:
        profile, _, number = text.partition("=")
        if not profile or not number.isdecimal():
            raise Misused(f"--demand {text} is not PROFILE=COUNT, such as 3g.40gb=4")
        counts[profile] = int(number)
    return counts


def _told(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} x {name}" for name, count in counts.items() if count) or "none"
