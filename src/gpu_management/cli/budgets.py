"""`gpuctl budgets`: how much a team, a namespace, a user or the cluster may spend."""

from typing import Annotated, Any

import typer

from gpu_management.cli import text
from gpu_management.cli.errors import Misused
from gpu_management.cli.options import Limit, Sort
from gpu_management.cli.output import Column, Row, col, num, when
from gpu_management.cli.paths import GPU, given, under
from gpu_management.cli.shell import Shell, command, group

BUDGETS = f"{GPU}/budgets"
_UNITS = {"money": "money", "gpu-hours": "gpuHours"}
_PERIODS = ("day", "week", "month", "quarter")


def _of_status(field: str) -> Any:
    return lambda row: text.money(row["status"].get(field))


def _unit(row: Row) -> str:
    return str(row["currency"]) if row["unit"] == "money" else "GPU-hours"


_COLUMNS = (
    num("ID", lambda row: text.plain(row.get("id"))),
    col("SCOPE", "scope"),
    col("NAME", "scopeName", flexible=True),
    num("AMOUNT", lambda row: text.money(row.get("amount"))),
    Column("UNIT", lambda row, _view: _unit(row), rank=2),
    col("PERIOD", "period", rank=1),
    num("SPENT", _of_status("spent")),
    num("%", lambda row: f"{row['status']['pct']:.0f}"),
    num("PROJECTED", _of_status("projected"), rank=3),
    Column("STATE", lambda row, _view: str(row["status"]["state"])),
    col("IF PASSED", "action", rank=1),
    num("PROMISED", _of_status("promised"), rank=4),
    num("LEFT", _of_status("remaining"), rank=4),
    col("WARNS AT %", "thresholdsPct", rank=5),
    col("NOTE", "note", rank=6),
)
_NOTICES = (
    when("GIVEN", "noticedAt"),
    col("MARK", "mark"),
    num("SPENT", lambda row: text.money(row.get("spent"))),
    col("PERIOD FROM", "periodStart"),
)

Id = Annotated[int, typer.Argument(metavar="ID", min=1, help="Number of the budget.")]
Threshold = Annotated[
    list[int] | None,
    typer.Option("--warn-at", metavar="PCT", help="Percent that warns once a period; repeatable."),
]
Refuse = Annotated[
    bool | None,
    typer.Option("--refuse/--warn", help="Refuse requests that would pass it, or only warn."),
]
Note = Annotated[str | None, typer.Option("--note", "-m", help="Why, or who agreed.")]


def install(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    budgets = group("budgets", "How much may be spent in a period.", inside=app)
    command(budgets, "list", watchable=True)(list_budgets)
    command(budgets, "get", watchable=True)(get)
    command(budgets, "create")(create)
    command(budgets, "update")(update)
    command(budgets, "delete")(delete)
    command(budgets, "notices")(notices)


def list_budgets(
    shell: Shell,
    *,
    scope: Annotated[
        str | None, typer.Option(help="Only of a cluster, team, namespace or user.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Only of this name.")] = None,
    limit: Limit = None,
    sort: Sort = None,
) -> None:
    """List budgets with what is spent of each."""
    shell.listing(
        BUDGETS,
        _COLUMNS,
        empty="no budgets; `gpuctl budgets create` sets one",
        limit=limit,
        sort=sort,
        scope=scope,
        scopeName=name,
    )


def get(shell: Shell, budget: Id) -> None:
    """Show how a budget stands."""
    shell.printer.one(shell.api.get(under(BUDGETS, str(budget))).data, _COLUMNS)


def create(  # noqa: PLR0913 - typer reads the options from the signature
    shell: Shell,
    amount: Annotated[str, typer.Argument(metavar="AMOUNT", help="In its unit, a period.")],
    *,
    team: Annotated[str | None, typer.Option(help="For this team.")] = None,
    namespace: Annotated[
        str | None, typer.Option("--namespace", "-n", help="For this one.")
    ] = None,
    user: Annotated[str | None, typer.Option(help="For this user.")] = None,
    cluster: Annotated[bool, typer.Option("--cluster", help="For all that is used.")] = False,
    unit: Annotated[str, typer.Option(help="money or gpu-hours.")] = "money",
    period: Annotated[str, typer.Option(help="day, week, month or quarter.")] = "month",
    refuse: Refuse = None,
    warn_at: Threshold = None,
    note: Note = None,
) -> None:
    """Set a budget: for a team, a namespace, a user or the cluster."""
    scopes = given(team=team, namespace=namespace, user=user, cluster="" if cluster else None)
    if len(scopes) != 1:
        raise Misused("say whose budget it is: one of --team, --namespace, --user, --cluster")
    ((scope, name),) = scopes.items()
    body = given(
        scope=scope,
        scopeName=name or None,
        unit=_one_of(unit, _UNITS, "--unit"),
        period=_one_of(period, dict(zip(_PERIODS, _PERIODS, strict=True)), "--period"),
        amount=_number(amount),
        action=_action(refuse),
        thresholdsPct=warn_at or None,
        note=note,
    )
    made = shell.send("POST", BUDGETS, body)
    shell.printer.done(f"budget {made['id']} set: {_sentence(made)}", made)


def update(
    shell: Shell,
    budget: Id,
    *,
    amount: Annotated[str | None, typer.Option(metavar="N", help="In its unit.")] = None,
    refuse: Refuse = None,
    warn_at: Threshold = None,
    note: Note = None,
) -> None:
    """Change a budget; refused when somebody else changed it meanwhile."""
    path = under(BUDGETS, str(budget))
    known = shell.api.get(path)
    body = {name: known.data[name] for name in ("amount", "action", "thresholdsPct", "note")}
    body |= given(
        amount=None if amount is None else _number(amount),
        action=_action(refuse),
        thresholdsPct=warn_at or None,
        note=note,
    )
    made = shell.send("PUT", path, body, if_match=known.etag)
    shell.printer.done(f"budget {made['id']} changed: {_sentence(made)}", made)


def delete(shell: Shell, budget: Id) -> None:
    """Remove a budget with its warnings."""
    gone = shell.send("DELETE", under(BUDGETS, str(budget)))
    shell.printer.done(f"budget {budget} removed: {_sentence(gone)}", gone)


def notices(shell: Shell, budget: Id) -> None:
    """List the warnings that were given about a budget."""
    path = under(BUDGETS, str(budget), "notices")
    shell.listing(path, _NOTICES, empty="no warning was given")


def _sentence(budget: Row) -> str:
    whose = f"{budget['scope']} {budget['scopeName']}"
    return (
        f"{whose}, {text.money(budget['amount'])} {_unit(budget)} a {budget['period']},"
        f" {budget['action']}"
    )


def _action(refuse: bool | None) -> str | None:  # noqa: FBT001 - three answers, not a switch
    return None if refuse is None else ("refuse" if refuse else "warn")


def _one_of(told: str, known: dict[str, str], option: str) -> str:
    if told not in known:
        raise Misused(f"{option} takes {', '.join(known)}; not {told!r}")
    return known[told]


def _number(told: str) -> float:
    try:
        return float(told)
    except ValueError as error:
        raise Misused(f"an amount is a number such as 500, not {told!r}") from error
