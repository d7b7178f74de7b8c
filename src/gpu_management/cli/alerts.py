"""`gpuctl alerts`: what fires, who looks after it, what is silenced."""

import re
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from typing import Annotated, Any

import typer

from gpu_management.cli import text
from gpu_management.cli.errors import Misused
from gpu_management.cli.options import Limit, Sort
from gpu_management.cli.output import Column, Row, col, num, when
from gpu_management.cli.paths import GPU, given, under
from gpu_management.cli.shell import Shell, command, group

ALERTS = f"{GPU}/alerts"
SILENCES = f"{ALERTS}/silences"
_MATCHER = re.compile(r"(?P<name>[A-Za-z_]\w*)(?P<operator>!=|!~|=|~)(?P<value>.*)")
_SPAN = re.compile(r"(\d+)([mhd])")
_UNITS = {"m": "minutes", "h": "hours", "d": "days"}


class Status(StrEnum):
    """How alerts stand."""

    FIRING = "firing"
    ACKNOWLEDGED = "acknowledged"
    SILENCED = "silenced"
    RESOLVED = "resolved"


class Severity(StrEnum):
    """How much they matter."""

    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


_COLUMNS = (
    col("SEVERITY", "severity"),
    col("ALERT", "alertType"),
    col("STATUS", "status"),
    col("MESSAGE", "message", flexible=True),
    col("GPU", "deviceId", rank=3),
    col("NODE", "nodeName", rank=5),
    when("FIRING", "firedAt"),
    when("ENDED", "resolvedAt", rank=4),
    col("BY", "acknowledgedBy", rank=2),
    col("ID", "alertId", rank=1),
)
_ALERT = (
    *_COLUMNS,
    num("VALUE", lambda row: text.plain(row.get("value"))),
    num("THRESHOLD", lambda row: text.plain(row.get("threshold"))),
    when("HOLDS SINCE", "startedAt"),
    col("COMMENT", "comment"),
    col("SILENCE", "silenceId"),
    col("ALLOCATIONS", "allocations"),
    Column("LABELS", lambda row, _view: text.plain(row.get("labels"))),
)
_RULES = (
    col("RULE", "name"),
    col("SEVERITY", "severity"),
    Column("HOLDS", lambda row, _view: f"{row['compare']} {row['threshold']:g}", rank=1),
    num("FOR", lambda row: text.span(row["forSeconds"]) if row["forSeconds"] else "-", rank=1),
    num("FIRING", lambda row: str(row["firing"])),
    num("PENDING", lambda row: str(row["pending"])),
    col("ENABLED", "enabled", rank=2),
    when("LOOKED", "evaluatedAt", rank=3),
)
_SILENCES = (
    col("ID", "silenceId"),
    Column("MATCHERS", lambda row, _view: _matchers(row), flexible=True),
    when("FROM", "startsAt", rank=1),
    when("UNTIL", "endsAt"),
    col("BY", "createdBy", rank=2),
    col("COMMENT", "comment", flexible=True, rank=1),
)
AlertId = Annotated[str, typer.Argument(metavar="ID", help="Id of the alert.")]
SilenceId = Annotated[str, typer.Argument(metavar="ID", help="Id of the silence.")]
Matchers = Annotated[
    list[str], typer.Argument(metavar="LABEL=VALUE", help="Also !=, and ~ !~ with * in VALUE.")
]
For = Annotated[str, typer.Option("--for", metavar="SPAN", help="From now, such as 30m, 4h, 2d.")]


def install(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    alerts = group("alerts", "What fires, and who looks after it; silences.", inside=app)
    command(alerts, "list", watchable=True)(list_alerts)
    command(alerts, "get")(get)
    command(alerts, "ack")(acknowledge)
    command(alerts, "rules", watchable=True)(rules)
    silences = group("silences", "Alerts that nobody is told of, for a time.", inside=alerts)
    command(silences, "list", watchable=True)(list_silences)
    command(silences, "get")(get_silence)
    command(silences, "create")(create)
    command(silences, "update")(update)
    command(silences, "end")(end)


def list_alerts(  # noqa: PLR0913 - typer reads the options from the signature
    shell: Shell,
    *,
    status: Annotated[list[Status] | None, typer.Option(help="Repeatable; else: open.")] = None,
    severity: Annotated[Severity | None, typer.Option(help="Only of this severity.")] = None,
    rule: Annotated[str | None, typer.Option(help="Only of this rule.")] = None,
    device: Annotated[str | None, typer.Option("--device", "-d", help="Only this GPU.")] = None,
    node: Annotated[str | None, typer.Option(help="Only of this node.")] = None,
    limit: Limit = None,
    sort: Sort = None,
) -> None:
    """List alerts, newest first: those that are open, or of a status."""
    shell.listing(
        ALERTS,
        _COLUMNS,
        empty="nothing is amiss",
        limit=limit,
        sort=sort,
        status=",".join(one.value for one in status) if status else None,
        severity=None if severity is None else severity.value,
        alertType=rule,
        deviceId=device,
        nodeName=node,
    )


def get(shell: Shell, alert: AlertId) -> None:
    """Show an alert."""
    shell.printer.one(shell.api.get(under(ALERTS, alert)).data, _ALERT)


def acknowledge(
    shell: Shell,
    alert: AlertId,
    *,
    comment: Annotated[str | None, typer.Option("--comment", "-m", help="What is done.")] = None,
) -> None:
    """Take an alert on: it is not told of again, until it ends."""
    path = under(ALERTS, alert, "acknowledge")
    taken = shell.send("POST", path, given(comment=comment))
    shell.printer.done(f"{taken['alertType']} taken on by {taken['acknowledgedBy']}", taken)


def rules(shell: Shell) -> None:
    """List the rules, and how they stand."""
    shell.listing(f"{ALERTS}/rules", _RULES, empty="there are no rules")


def list_silences(
    shell: Shell,
    *,
    over: Annotated[bool, typer.Option("--over", help="Those that are over.")] = False,
    limit: Limit = None,
) -> None:
    """List silences that are not over."""
    shell.listing(
        SILENCES, _SILENCES, empty="nothing is silenced", limit=limit, over=str(over).lower()
    )


def get_silence(shell: Shell, silence: SilenceId) -> None:
    """Show a silence."""
    shell.printer.one(shell.api.get(under(SILENCES, silence)).data, _SILENCES)


def create(
    shell: Shell,
    matchers: Matchers,
    *,
    span: For,
    comment: Annotated[str, typer.Option("--comment", "-m", help="Why.")],
) -> None:
    """Tell nobody of alerts that match everything, for a time."""
    body = {"matchers": _told(matchers), "endsAt": _until(span), "comment": comment}
    made = shell.send("POST", SILENCES, body)
    shell.printer.done(f"silence {made['silenceId']}: {_matchers(made)}", made)


def update(
    shell: Shell,
    silence: SilenceId,
    *,
    span: For,
    comment: Annotated[str | None, typer.Option("--comment", "-m", help="Why.")] = None,
) -> None:
    """Let a silence end at another time; refused when somebody else changed it meanwhile."""
    path = under(SILENCES, silence)
    known = shell.api.get(path)
    body = {name: known.data[name] for name in ("matchers", "startsAt", "comment")}
    body |= given(endsAt=_until(span), comment=comment)
    made = shell.send("PUT", path, body, if_match=known.etag)
    shell.printer.done(f"silence {silence} ends {made['endsAt']}", made)


def end(shell: Shell, silence: SilenceId) -> None:
    """End a silence now."""
    gone = shell.send("DELETE", under(SILENCES, silence))
    shell.printer.done(f"silence {silence} ended", gone)


def _matchers(row: Row) -> str:
    return " ".join(f"{one['name']}{one['operator']}{one['value']}" for one in row["matchers"])


def _told(matchers: list[str]) -> list[dict[str, Any]]:
    found = [_MATCHER.fullmatch(told) for told in matchers]
    for told, match in zip(matchers, found, strict=True):
        if match is None:
            raise Misused(f"a matcher is such as instance=gpu-worker-1, not {told!r}")
    return [match.groupdict() for match in found if match is not None]


def _until(span: str) -> str:
    match = _SPAN.fullmatch(span)
    if match is None:
        raise Misused(f"--for takes a number with m, h or d, such as 4h; not {span!r}")
    ends = datetime.now(UTC) + timedelta(**{_UNITS[match[2]]: int(match[1])})
    return ends.isoformat(timespec="seconds")
