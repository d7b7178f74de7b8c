"""`gpuctl rates`: the price book."""

from datetime import datetime
from typing import Annotated, Any

import typer

from gpu_management.cli import columns, text
from gpu_management.cli.errors import Misused
from gpu_management.cli.options import Limit, Sort
from gpu_management.cli.paths import RATES, given, under
from gpu_management.cli.shell import Shell, command, group

Model = Annotated[str, typer.Argument(metavar="MODEL", help="Model id.")]
Cluster = Annotated[str | None, typer.Option(help="Only in this cluster.")]
Pool = Annotated[str | None, typer.Option(help="Only in this node pool.")]
Note = Annotated[str | None, typer.Option("--note", "-m", help="Why, or by which contract.")]


def install(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    rates = group("rates", "The price book.", inside=app)
    command(rates, "list")(list_rates)
    command(rates, "set")(set_rate)
    command(rates, "withdraw")(withdraw)
    command(rates, "quote")(quote)
    command(rates, "unpriced")(unpriced)
    command(rates, "calculate")(calculate)


def list_rates(  # noqa: PLR0913 - typer reads the options from the signature
    shell: Shell,
    *,
    model: Annotated[str | None, typer.Option(help="Only of this model.")] = None,
    profile: Annotated[str | None, typer.Option(help="Only of this MIG profile.")] = None,
    kind: Annotated[str | None, typer.Option(help="Only card, profile or share.")] = None,
    cluster: Annotated[str | None, typer.Option(help="Only of this cluster; * anywhere.")] = None,
    pool: Annotated[str | None, typer.Option(help="Only of this node pool; * anywhere.")] = None,
    at: Annotated[
        str | None, typer.Option(metavar="TIME", help="In force then; ISO time with zone.")
    ] = None,
    limit: Limit = None,
    sort: Sort = None,
) -> None:
    """List prices with the moment from which each holds; past and planned ones too."""
    shell.listing(
        RATES,
        columns.RATES,
        empty="no prices; `gpuctl rates set` adds one",
        limit=limit,
        sort=sort,
        modelId=model,
        profileName=profile,
        kind=kind,
        clusterName=cluster,
        nodePool=pool,
        at=_moment(at, "--at"),
    )


def set_rate(  # noqa: PLR0913 - typer reads the options from the signature
    shell: Shell,
    model: Model,
    price: Annotated[str, typer.Argument(metavar="PRICE", help="An hour, billing currency.")],
    *,
    profile: Annotated[str | None, typer.Option(help="A MIG profile; else the card.")] = None,
    share: Annotated[
        bool, typer.Option("--share", help="For shares of the card, by whole-card hour.")
    ] = False,
    cluster: Cluster = None,
    pool: Pool = None,
    since: Annotated[
        str | None, typer.Option("--from", metavar="TIME", help="ISO time with zone; else now.")
    ] = None,
    based_on: Annotated[
        int | None,
        typer.Option(
            metavar="ID", help="Refuse if the newest rate of it is another; 0: if any is."
        ),
    ] = None,
    note: Note = None,
) -> None:
    """Set what a model, profile or share costs from a moment on; the past keeps its price."""
    body = given(
        modelId=model,
        kind="share" if share else None,
        profileName=profile,
        clusterName=cluster,
        nodePool=pool,
        costPerHour=_number(price, "a price"),
        effectiveFrom=_moment(since, "--from"),
        basedOn=based_on,
        note=note,
    )
    _set(shell, body)


def _set(shell: Shell, body: dict[str, Any]) -> None:
    made = shell.send("POST", RATES, body)
    part = made["profileName"] or ("share" if made["kind"] == "share" else "")
    places = [("in cluster", made["clusterName"]), ("in pool", made["nodePool"])]
    where = " ".join(f"{word} {name}" for word, name in places if name)
    what = " ".join(filter(None, [made["modelId"], part, where]))
    cost = f"costs {made['costPerHour']} {made['currency']} an hour from {made['effectiveFrom']}"
    shell.printer.done(f"{what} {cost} (rate {made['id']})", made)


def withdraw(
    shell: Shell, rate: Annotated[int, typer.Argument(metavar="ID", help="Of a planned rate.")]
) -> None:
    """Take back a price whose moment has not come."""
    shell.send("DELETE", under(RATES, str(rate)))
    shell.printer.done(f"rate {rate} withdrawn")


def quote(  # noqa: PLR0913 - typer reads the options from the signature
    shell: Shell,
    model: Model,
    *,
    profile: Annotated[str | None, typer.Option(help="A MIG profile; else the card.")] = None,
    milli: Annotated[
        int | None, typer.Option(min=1, max=1000, help="A share, in thousandths of the card.")
    ] = None,
    cluster: Annotated[str | None, typer.Option(help="There; else in the server's own.")] = None,
    pool: Annotated[str | None, typer.Option(help="In this node pool.")] = None,
    at: Annotated[str | None, typer.Option(metavar="TIME", help="ISO time; else now.")] = None,
) -> None:
    """Show what a card, a share or a slice costs somewhere, and by which rate."""
    asked = given(
        modelId=model,
        profileName=profile,
        milli=milli,
        clusterName=cluster,
        nodePool=pool,
        at=_moment(at, "--at"),
    )
    found = shell.api.get(f"{RATES}/quote", **asked).data
    if not shell.printer.is_for_people():
        shell.printer.data(found)
        return
    rate = found["rate"]
    if rate is None:
        shell.printer.pairs([("PRICE/H", f"none; `gpuctl rates set {model} PRICE` sets one")])
        return
    places = [name for name in (rate["clusterName"], rate["nodePool"]) if name]
    shell.printer.pairs(
        [
            ("PRICE/H", f"{found['costPerHour']} {found['currency']}"),
            ("RATE", f"{rate['id']}: {rate['costPerHour']} per {rate['kind']} and hour"),
            ("FROM", rate["effectiveFrom"]),
            ("WHERE", ", ".join(places) or "anywhere"),
            ("PART OF CARD", text.plain(found["shareOfCard"])),
            ("SET BY", text.plain(rate["createdBy"] or rate["source"])),
        ]
    )


def unpriced(shell: Shell) -> None:
    """List GPUs and slices of the fleet that have no price now."""
    shell.listing(f"{RATES}/unpriced", columns.UNPRICED, empty="everything has a price")


def calculate(  # noqa: PLR0913 - typer reads the options from the signature
    shell: Shell,
    *,
    capex: Annotated[
        str, typer.Option(metavar="N", help="Price of a GPU with its part of server and network.")
    ],
    years: Annotated[str, typer.Option(metavar="N", help="Years until it is written off.")],
    power_kw: Annotated[
        str | None, typer.Option(metavar="N", help="Power of the node by GPU, at full load.")
    ] = None,
    kwh_price: Annotated[str | None, typer.Option(metavar="N", help="Price of a kWh.")] = None,
    pue: Annotated[
        str | None, typer.Option(metavar="N", help="Power of the facility by that of machines.")
    ] = None,
    load: Annotated[
        str | None, typer.Option(metavar="0-1", help="Average part of full power.")
    ] = None,
    residual: Annotated[
        str | None, typer.Option(metavar="0-1", help="Part of capex got back at the end.")
    ] = None,
    availability: Annotated[
        str | None, typer.Option(metavar="0-1", help="Part of the hours that can be sold.")
    ] = None,
    opex: Annotated[
        str | None, typer.Option(metavar="0-1", help="Upkeep a year, as a part of capex.")
    ] = None,
    model: Annotated[
        str | None, typer.Option("--set", metavar="MODEL", help="Set it as this model's price.")
    ] = None,
    cluster: Cluster = None,
    pool: Pool = None,
) -> None:
    """Work out what a GPU of your own must earn an hour; --set puts it into the book."""
    told = {
        "capex": capex,
        "lifeYears": years,
        "powerKw": power_kw,
        "pricePerKwh": kwh_price,
        "pue": pue,
        "loadFactor": load,
        "residualShare": residual,
        "availability": availability,
        "opexSharePerYear": opex,
    }
    body = {name: _number(value, name) for name, value in told.items() if value is not None}
    found = shell.send("POST", f"{RATES}/calculate", body)
    if model is not None:
        note = "calculated: " + ", ".join(f"{name} {value}" for name, value in body.items())
        price = given(
            modelId=model, costPerHour=found["costPerHour"], clusterName=cluster, nodePool=pool
        )
        _set(shell, price | {"note": note[:400]})
    elif shell.printer.is_for_people():
        parts = [
            (name.upper(), text.money(cost, digits=4)) for name, cost in found["parts"].items()
        ]
        total = f"{text.money(found['costPerHour'], digits=4)} {found['currency']} an hour"
        shell.printer.pairs([*parts, ("TOTAL", total)])
    else:
        shell.printer.data(found)


def _number(told: str, what: str) -> float:
    try:
        return float(told)
    except ValueError as error:
        raise Misused(f"{what} is a number such as 2.95, not {told!r}") from error


def _moment(told: str | None, option: str) -> str | None:
    if told is None:
        return None
    try:
        moment = datetime.fromisoformat(told)
    except ValueError as error:
        raise Misused(
            f"{option} takes a time such as 2026-01-02T03:04:05Z, not {told!r}"
        ) from error
    if moment.tzinfo is None:
        raise Misused(f"{option} needs a zone: {told}Z for UTC")
    return moment.isoformat()
