"""`gpuctl costs`: spending."""

from typing import Annotated, Any

import typer

from gpu_management.cli import ledger, metering, text
from gpu_management.cli.errors import Misused
from gpu_management.cli.paths import COST, OWN_COST
from gpu_management.cli.shell import Shell, command, group

_GROUPS = {
    "team": "byTeam",
    "user": "byUser",
    "namespace": "byNamespace",
    "model": "byModel",
    "type": "byWorkloadType",
}
_BAR_DAYS = 14
_ABOUT = "What was spent, and where GPU time went; metering of files."


def install(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    costs = group("costs", _ABOUT, inside=app)
    command(costs, "analysis", watchable=True)(analysis)
    command(costs, "by")(ledger.cost_by)
    command(costs, "buckets")(ledger.buckets)
    command(costs, "gpu")(ledger.gpu)
    command(costs, "allocation")(ledger.allocation)
    command(costs, "correct")(ledger.correct)
    costs.command("meter")(metering.meter)


def analysis(
    shell: Shell,
    *,
    days: Annotated[int, typer.Option(min=1, help="Days back, today included.")] = 30,
    by: Annotated[
        str, typer.Option(help=f"Group by {', '.join(_GROUPS)}.", metavar="WHAT")
    ] = "team",
    mine: Annotated[bool, typer.Option("--mine", help="Only of your own team.")] = False,
) -> None:
    """Show what was spent: in total, by group, by day."""
    if by not in _GROUPS:
        raise Misused(f"--by takes {', '.join(_GROUPS)}; not {by!r}")
    found = shell.api.get(OWN_COST if mine else COST, days=days).data
    if not shell.printer.is_for_people():
        shell.printer.data(found)
        return
    currency = found["currency"]
    shell.printer.pairs(
        [
            ("PERIOD", f"{found['period']['days']} days, {found['period']['timezone']}"),
            ("TOTAL", f"{text.money(found['totalCost'])} {currency}"),
            ("A DAY", f"{text.money(found['dailyAverage'])} {currency}"),
            ("A MONTH", f"{text.money(found['projectedMonthly'])} {currency} at this pace"),
            ("GPU HOURS", text.money(found["gpuHours"])),
        ]
    )
    _groups(shell, by, found[_GROUPS[by]])
    _days(shell, found["dailySeries"][-_BAR_DAYS:])


def _groups(shell: Shell, by: str, costs: dict[str, float]) -> None:
    if not costs:
        return
    total = sum(costs.values())
    rows = sorted(costs.items(), key=lambda item: (-item[1], item[0]))
    shell.printer.gap()
    shell.printer.grid(
        [(by.upper(), False), ("COST", True), ("SHARE", True), ("", False)],
        [
            (name or "-", text.money(cost), text.percent(cost, total), text.bar(cost, total))
            for name, cost in rows
        ],
    )


def _days(shell: Shell, series: list[dict[str, Any]]) -> None:
    most = max((day["cost"] for day in series), default=0)
    shell.printer.gap()
    shell.printer.grid(
        [("DAY", False), ("COST", True), ("", False)],
        [(day["date"], text.money(day["cost"]), text.bar(day["cost"], most)) for day in series],
    )
