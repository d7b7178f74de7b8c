"""`gpuctl costs by`, `buckets`, `gpu`, `allocation` and `correct`: the ledger in detail."""

from typing import Annotated, Any

import typer

from gpu_management.cli import text
from gpu_management.cli.errors import Misused
from gpu_management.cli.options import Limit, Sort
from gpu_management.cli.output import Column, col, num, when
from gpu_management.cli.paths import ALLOCATIONS, GPU, given, under
from gpu_management.cli.shell import Shell

_BY = f"{GPU}/cost/by"
_OWN_BY = f"{GPU}/me/cost/by"
_LEDGER = f"{GPU}/ledger"
_FIELDS = {
    "team": "team",
    "user": "user",
    "namespace": "namespace",
    "model": "model",
    "type": "workloadType",
    "workloadType": "workloadType",
    "cluster": "cluster",
    "node": "node",
    "allocation": "allocation",
    "day": "day",
    "month": "month",
}
_BUCKETS = ("used", "idle", "unattributed", "free", "unavailable")
_OF_HOLD = (
    num("HOLD", lambda row: str(row["holdId"])),
    col("GPU", "deviceId"),
    num("GPUS", lambda row: text.gpus(row["gpuMilli"])),
    when("FROM", "start"),
    when("TO", "end", rank=1),
    num("GPU HOURS", lambda row: text.money(row["gpuHours"])),
    num("COST", lambda row: text.money(row["cost"])),
)
_OF_GPU = (
    when("FROM", "start"),
    col("STATE", "state"),
    num("HELD", lambda row: text.gpus(row["heldMilli"])),
    num("PRICE/H", lambda row: text.money(row["ratePerHour"])),
    Column("ALLOCATIONS", lambda row, _view: ", ".join(row["allocations"]) or "-", rank=1),
)

Days = Annotated[int | None, typer.Option(min=1, help="Days back, today included; else 30.")]
Start = Annotated[
    str | None, typer.Option("--from", metavar="TIME", help="ISO time with zone, for --days.")
]
End = Annotated[str | None, typer.Option("--to", metavar="TIME", help="ISO time; else now.")]


def cost_by(  # noqa: PLR0913 - one parameter for each option
    shell: Shell,
    groups: Annotated[
        str, typer.Argument(metavar="GROUPS", help="Such as team,day. Of: " + ", ".join(_FIELDS))
    ] = "team",
    *,
    days: Days = None,
    since: Start = None,
    until: End = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="NAME=VALUE", help="Limit; may repeat.")
    ] = None,
    mine: Annotated[bool, typer.Option("--mine", help="Only of your own team.")] = False,
    limit: Limit = None,
    sort: Sort = None,
) -> None:
    """Show what was spent by any dimensions, and what of it was used; rows sum to the total."""
    names = [_field(name) for name in groups.split(",")]
    columns = (
        *(col(name.upper(), name) for name in names),
        num("GPU HOURS", lambda row: text.money(row["gpuHours"])),
        num("COST", lambda row: text.money(row["cost"])),
        num("USED", lambda row: text.money(row["usedCost"])),
        num("IDLE", lambda row: text.money(row["idleCost"])),
        num("UNMEASURED", lambda row: text.money(row["unattributedCost"]), rank=1),
    )
    shell.listing(
        _OWN_BY if mine else _BY,
        columns,
        empty="nothing was held then",
        limit=limit,
        sort=sort,
        group=",".join(names),
        **given(days=days, start=since, end=until),
        **_filters(only or []),
    )


def buckets(
    shell: Shell,
    groups: Annotated[
        str, typer.Argument(metavar="GROUPS", help="Of model, node, cluster, day, month.")
    ] = "model",
    *,
    days: Days = None,
    since: Start = None,
    until: End = None,
    limit: Limit = None,
) -> None:
    """Show where GPU time went, in GPU-hours: used, idle, unmeasured, free or unavailable."""
    names = [_field(name) for name in groups.split(",")]
    columns = (
        *(col(name.upper(), name) for name in names),
        *(
            num(bucket.upper(), lambda row, at=bucket: text.money(row[at]["gpuHours"]))  # type: ignore[misc]
            for bucket in _BUCKETS
        ),
        num("CARD PRICE", lambda row: text.money(row["cardCost"]), rank=1),
    )
    shell.listing(
        under(_LEDGER, "buckets"),
        columns,
        empty="there were no GPUs then",
        limit=limit,
        group=",".join(names),
        **given(days=days, start=since, end=until),
    )


def gpu(
    shell: Shell,
    device: Annotated[str, typer.Argument(metavar="GPU", help="Its id; it may be removed.")],
    *,
    days: Days = None,
    since: Start = None,
    until: End = None,
) -> None:
    """Show the timeline of a GPU, and where its time went."""
    path = under(_LEDGER, "devices", device)
    found = shell.api.get(path, **given(days=days, start=since, end=until)).data
    if not shell.printer.is_for_people():
        shell.printer.data(found)
        return
    hours = found["buckets"]
    shell.printer.pairs(
        [
            ("GPU", f"{found['deviceId']}, {found['model']}"),
            *((name.upper(), f"{text.money(hours[name]['gpuHours'])} h") for name in _BUCKETS),
        ]
    )
    shell.printer.gap()
    shell.printer.table(found["timeline"], _OF_GPU)


def allocation(
    shell: Shell,
    name: Annotated[str, typer.Argument(metavar="ALLOCATION", help="Its id.")],
) -> None:
    """Show what an allocation cost so far, hold by hold, and what it will cost."""
    found = shell.api.get(under(ALLOCATIONS, name, "cost")).data
    if not shell.printer.is_for_people():
        shell.printer.data(found)
        return
    shell.printer.pairs(
        [
            ("COST SO FAR", f"{text.money(found['costSoFar'])} {found['currency']}"),
            ("GPU HOURS", text.money(found["gpuHours"])),
            ("AT ITS END", text.money(found["projectedCost"])),
            ("LIMIT", text.money(found["costLimit"])),
            ("LIMIT REACHED", text.plain(found["limitReachedAt"])),
        ]
    )
    shell.printer.gap()
    shell.printer.table(found["holds"], _OF_HOLD)


def correct(
    shell: Shell,
    hold: Annotated[int, typer.Argument(metavar="HOLD", help="`costs allocation` shows it.")],
    *,
    reason: Annotated[str, typer.Option("--reason", "-m", help="Kept with the correction.")],
    since: Annotated[str | None, typer.Option("--from", metavar="TIME")] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="TIME")] = None,
    milli: Annotated[int | None, typer.Option(min=1, max=1000, help="Only of a share.")] = None,
) -> None:
    """Replace a hold that is over by what it should have been; the old row stays."""
    body = given(startedAt=since, endedAt=until, milli=milli, reason=reason)
    made: dict[str, Any] = shell.send(
        "POST", under(_LEDGER, "holds", str(hold), "corrections"), body
    )
    shell.printer.done(f"hold {made['holdId']} replaces hold {made['correctsHoldId']}", made)


def _field(name: str) -> str:
    if name.strip() not in _FIELDS:
        raise Misused(f"cannot group by {name!r}; there are {', '.join(_FIELDS)}")
    return _FIELDS[name.strip()]


def _filters(only: list[str]) -> dict[str, str]:
    found = {}
    for told in only:
        name, is_given, value = told.partition("=")
        if not is_given or name not in _FIELDS:
            raise Misused(f"--only takes NAME=VALUE such as team=ml, not {told!r}")
        found[_FIELDS[name]] = value
    return found
