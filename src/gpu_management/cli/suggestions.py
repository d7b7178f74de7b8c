"""`gpuctl suggestions`: GPU time that could be saved, and what is left alone."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from gpu_management.cli import text
from gpu_management.cli.options import Limit, Sort
from gpu_management.cli.output import Row, col, num, when
from gpu_management.cli.paths import GPU, given, under
from gpu_management.cli.shell import Shell, command, group

SUGGESTIONS = f"{GPU}/suggestions"
EXEMPTIONS = f"{SUGGESTIONS}/exemptions"


class State(StrEnum):
    """What became of a suggestion."""

    OPEN = "open"
    NOTICED = "noticed"
    APPLIED = "applied"
    DISMISSED = "dismissed"
    EXEMPT = "exempt"
    WITHDRAWN = "withdrawn"


class Scope(StrEnum):
    """What an exemption is for."""

    ALLOCATION = "allocation"
    NAMESPACE = "namespace"
    TEAM = "team"


def _money(field: str) -> Any:
    return lambda row: text.money(row.get(field))


_COLUMNS = (
    num("ID", lambda row: text.plain(row.get("id"))),
    col("STATUS", "status"),
    col("WHAT", "description", flexible=True),
    col("TEAM", "teamId", rank=1),
    num("SAVES/H", _money("saving")),
    num("SAVED", _money("saved"), rank=2),
    when("SINCE", "createdAt", rank=2),
    when("RELEASED AT", "releaseAt", rank=1),
    col("RISK", "risk", rank=3),
    col("ALLOCATION", "allocationId", rank=3),
    col("ENDED BY", "endedBy", rank=4),
    col("WHY", "endedReason", rank=4),
)
_EXEMPTIONS = (
    num("ID", lambda row: text.plain(row.get("id"))),
    col("SCOPE", "scope"),
    col("NAME", "scopeName", flexible=True),
    when("UNTIL", "until"),
    col("NOTE", "note", rank=1),
    col("BY", "createdBy", rank=2),
)
Id = Annotated[int, typer.Argument(metavar="ID", min=1, help="Number of the suggestion.")]
Note = Annotated[str | None, typer.Option("--note", "-m", help="Why.")]


def install(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    suggestions = group(
        "suggestions", "GPU time that could be saved, and what is left alone.", inside=app
    )
    command(suggestions, "list", watchable=True)(list_suggestions)
    command(suggestions, "get")(get)
    command(suggestions, "apply")(apply)
    command(suggestions, "dismiss")(dismiss)
    command(suggestions, "exempt")(exempt)
    command(suggestions, "exemptions")(list_exemptions)
    command(suggestions, "unexempt")(unexempt)


def list_suggestions(
    shell: Shell,
    *,
    status: Annotated[State | None, typer.Option(help="Only of this state.")] = None,
    team: Annotated[str | None, typer.Option(help="Only of this team.")] = None,
    limit: Limit = None,
    sort: Sort = None,
) -> None:
    """List what could be saved, and what was, newest first."""
    shell.listing(
        SUGGESTIONS,
        _COLUMNS,
        empty="no suggestions: nothing is held and idle, as far as is measured",
        limit=limit,
        sort=sort,
        status=status.value if status else None,
        teamId=team,
    )


def get(shell: Shell, suggestion: Id) -> None:
    """Show a suggestion with its evidence."""
    shell.printer.one(shell.api.get(under(SUGGESTIONS, str(suggestion))).data, _COLUMNS)


def apply(shell: Shell, suggestion: Id) -> None:
    """Release the allocation and its pods now."""
    done = shell.send("POST", under(SUGGESTIONS, str(suggestion), "apply"))
    shell.printer.done(f"{done['target']} released: {_saved(done)}", done)


def dismiss(shell: Shell, suggestion: Id, *, note: Note = None) -> None:
    """Say no: the allocation is left alone from now on."""
    path = under(SUGGESTIONS, str(suggestion), "dismiss")
    done = shell.send("POST", path, given(note=note))
    shell.printer.done(f"suggestion {suggestion} dismissed; {done['target']} is left alone", done)


def exempt(
    shell: Shell,
    scope: Annotated[Scope, typer.Argument(help="allocation, namespace or team.")],
    name: Annotated[str, typer.Argument(metavar="NAME", help="Its id or name.")],
    *,
    until: Annotated[str, typer.Option(help="Such as 2026-05-01T00:00:00Z, within 90 days.")],
    note: Note = None,
) -> None:
    """Leave something alone until a moment, whatever is measured of it."""
    body = given(scope=scope.value, scopeName=name, until=until, note=note)
    made = shell.send("POST", EXEMPTIONS, body)
    shell.printer.done(f"{scope.value} {name} is exempt until {made['until']}", made)


def list_exemptions(shell: Shell, *, limit: Limit = None, sort: Sort = None) -> None:
    """List what is left alone although it lies idle."""
    shell.listing(EXEMPTIONS, _EXEMPTIONS, empty="nothing is exempt", limit=limit, sort=sort)


def unexempt(
    shell: Shell,
    exemption: Annotated[int, typer.Argument(metavar="ID", min=1, help="Its number.")],
) -> None:
    """End an exemption."""
    gone = shell.send("DELETE", under(EXEMPTIONS, str(exemption)))
    shell.printer.done(f"{gone['scope']} {gone['scopeName']} is no longer exempt", gone)


def _saved(done: Row) -> str:
    if done.get("saved") is None:
        return "it has no price"
    return f"saves {text.money(done['saved'])} until {done['savedUntil']}"
