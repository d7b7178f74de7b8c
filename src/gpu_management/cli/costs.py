"""`gpuctl rates` and `gpuctl cost`: prices and spending."""

from datetime import datetime
from typing import Annotated, Any

import typer

from gpu_management.cli import columns, text
from gpu_management.cli.errors import Misused
from gpu_management.cli.options import Limit, Sort
from gpu_management.cli.paths import COST, OWN_COST, RATES, given
from gpu_management.cli.shell import Shell, command, group

_GROUPS = {
    "team": "byTeam",
    "user": "byUser",
    "namespace": "byNamespace",
    "model": "byModel",
    "type": "byWorkloadType",
}
_BAR_DAYS = 14


def install(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    rates = group("rates", "The price book.", inside=app)
    command(rates, "list")(list_rates)
    command(rates, "set")(set_rate)
    cost = group("cost", "What was spent.", inside=app)
    command(cost, "analysis", watchable=True)(analysis)


def list_rates(
    shell: Shell,
    *,
    model: Annotated[str | None, typer.Option(help="Only of this model.")] = None,
    limit: Limit = None,
    sort: Sort = None,
) -> None:
    """List every price with the moment from which it holds."""
    empty = "no prices; `gpuctl rates set` adds one"
    shell.listing(RATES, columns.RATES, empty=empty, limit=limit, sort=sort, modelId=model)


def set_rate(
    shell: Shell,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model id.")],
    price: Annotated[str, typer.Argument(metavar="PRICE", help="An hour, billing currency.")],
    *,
    profile: Annotated[str | None, typer.Option(help="A MIG profile; else the card.")] = None,
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="ISO time with zone; else now.")
    ] = None,
    note: Annotated[str | None, typer.Option("--note", "-m")] = None,
) -> None:
    """Set what a model or profile costs from a moment on; the past keeps its price."""
    body = given(
        modelId=model,
        profileName=profile,
        costPerHour=_price(price),
        effectiveFrom=_moment(since),
        note=note,
    )
    made = shell.send("POST", RATES, body)
    what = f"{made['modelId']} {made['profileName'] or ''}".strip()
    sentence = f"{what} costs {made['costPerHour']} {made['currency']} an hour"
    shell.printer.done(f"{sentence} from {made['effectiveFrom']}", made)


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


def _price(told: str) -> float | int:
    try:
        price = float(told)
    except ValueError as error:
        raise Misused(f"a price is a number such as 2.95, not {told!r}") from error
    return price


def _moment(told: str | None) -> str | None:
    if told is None:
        return None
    try:
        moment = datetime.fromisoformat(told)
    except ValueError as error:
        raise Misused(f"--from takes a time such as 2026-01-02T03:04:05Z, not {told!r}") from error
    if moment.tzinfo is None:
        raise Misused(f"--from needs a zone: {told}Z for UTC")
    return moment.isoformat()
