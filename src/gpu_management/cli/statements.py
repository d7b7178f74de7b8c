"""`gpuctl statements`: what each team pays for a month, and closing months."""

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from gpu_management.cli import text
from gpu_management.cli.errors import Misused
from gpu_management.cli.output import col, num, when
from gpu_management.cli.paths import GPU, under
from gpu_management.cli.shell import Shell, command, group

STATEMENTS = f"{GPU}/statements"
OWN_STATEMENTS = f"{GPU}/me/statements"
BILLING = f"{GPU}/billing/months"

_MONTHS = (
    col("MONTH", "month"),
    col("STATUS", "status"),
    num("TOTAL", lambda row: text.money(row.get("totalCost"))),
    col("CURRENCY", "currency"),
    col("TIME ZONE", "timezone", rank=2),
    when("CLOSED", "closedAt", rank=1),
    col("BY", "closedBy", rank=3),
    col("FINGERPRINT", "fingerprint", rank=4),
)
_GROUPS = {
    "NAMESPACE": "byNamespace",
    "USER": "byUser",
    "MODEL": "byModel",
    "WORKLOAD": "byWorkloadType",
}

Month = Annotated[str, typer.Argument(metavar="MONTH", help="Such as 2026-03.")]


def install(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    statements = group("statements", "What each team pays for a month; closing months.", inside=app)
    command(statements, "list")(list_months)
    command(statements, "show")(show)
    command(statements, "close")(close)


def list_months(
    shell: Shell,
    *,
    mine: Annotated[bool, typer.Option("--mine", help="What your own team was billed.")] = False,
) -> None:
    """List the months since the first use, closed or open."""
    shell.listing(OWN_STATEMENTS if mine else STATEMENTS, _MONTHS, empty="nothing was used yet")


def show(
    shell: Shell,
    month: Month,
    team: Annotated[
        str | None, typer.Argument(metavar="[TEAM]", help="One team; `unassigned`: of none.")
    ] = None,
    *,
    html: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write a page to print; - for stdout.")
    ] = None,
    csv: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every line as CSV; - for stdout.")
    ] = None,
    lang: Annotated[str | None, typer.Option(help="Language of the page: en or ko.")] = None,
) -> None:
    """Show a month by team, or the statement of one team."""
    path = under(STATEMENTS, month, *([team] if team is not None else []))
    if html is not None and csv is not None:
        raise Misused("--html and --csv exclude each other: call twice")
    if html is not None:
        _write(shell, html, shell.api.text(path, format="html", lang=lang))
    elif csv is not None:
        _write(shell, csv, shell.api.text(path, format="csv"))
    else:
        _print(shell, shell.api.get(path).data)


def close(
    shell: Shell,
    month: Month,
    *,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
) -> None:
    """Close a month that is over, for ever; later corrections go into the next one."""
    if not yes and sys.stdin.isatty():
        typer.confirm(f"Close {month}? It cannot be opened again.", abort=True)
    made = shell.send("POST", under(BILLING, month, "close"))
    total = f"{text.money(made['totalCost'])} {made['currency']}"
    sentence = f"{month} is closed: {total} in {text.count(made['lineCount'], 'line')}"
    shell.printer.done(f"{sentence}, fingerprint {made['fingerprint']}", made)


def _write(shell: Shell, file: Path, content: str) -> None:
    if str(file) == "-":
        sys.stdout.write(content)
        return
    try:
        file.write_text(content, encoding="utf-8", newline="")
    except OSError as error:
        raise Misused(f"cannot write {file}: {error.strerror}") from error
    shell.printer.done(f"written to {file}")


def _print(shell: Shell, found: dict[str, Any]) -> None:
    if not shell.printer.is_for_people():
        shell.printer.data(found)
        return
    state = "closed" if found["status"] == "closed" else f"open, as of {found['asOf']}"
    shell.printer.pairs(
        [
            ("MONTH", f"{found['month']} ({found['timezone']})"),
            ("STATUS", state),
            ("TOTAL", f"{text.money(found['totalCost'])} {found['currency']}"),
            ("USE", f"{text.money(found['usageCost'])} for {text.money(found['gpuHours'])} GPU-h"),
            ("ADJUSTMENTS", text.money(found["adjustmentCost"])),
        ]
    )
    if "teams" in found:
        _teams(shell, found["teams"])
        return
    for title, field in _GROUPS.items():
        _sums(shell, title, found[field])


def _teams(shell: Shell, teams: list[dict[str, Any]]) -> None:
    if not teams:
        return
    shell.printer.gap()
    shell.printer.grid(
        [("TEAM", False), ("GPU-HOURS", True), ("ADJUSTMENTS", True), ("COST", True)],
        [
            (
                team["teamId"],
                text.money(team["gpuHours"]),
                text.money(team["adjustmentCost"]),
                text.money(team["totalCost"]),
            )
            for team in teams
        ],
    )


def _sums(shell: Shell, title: str, sums: dict[str, float]) -> None:
    if sums:
        shell.printer.gap()
        rows = [(name, text.money(cost)) for name, cost in sums.items()]
        shell.printer.grid([(title, False), ("COST", True)], rows)
