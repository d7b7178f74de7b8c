"""`gpuctl notifications`: who is told what, and whether it arrived."""

import sys
import time
from pathlib import Path
from typing import Annotated, Any

import typer

from gpu_management.cli import text
from gpu_management.cli.errors import CliError, ExitCode, Misused
from gpu_management.cli.options import Limit, Sort
from gpu_management.cli.output import Column, Row, col, num, when
from gpu_management.cli.paths import GPU, given, labels, under
from gpu_management.cli.shell import Shell, command, group

CHANNELS = f"{GPU}/notifications/channels"
DELIVERIES = f"{GPU}/notifications/deliveries"
_PAUSE_SECONDS = 0.3
_FIELDS = (
    "enabled",
    "events",
    "minSeverity",
    "teams",
    "labels",
    "recipients",
    "format",
    "quietHours",
    "maxPerMinute",
    "note",
)


def _health(row: Row) -> str:
    if not row["enabled"]:
        return "off"
    return "FAILED" if row.get("failingSince") else "OK"


def _wanted(row: Row) -> str:
    return ",".join(row["events"]) or "*"


_CHANNELS = (
    num("ID", lambda row: text.plain(row.get("id"))),
    col("NAME", "name", flexible=True),
    col("KIND", "kind"),
    Column("STATE", lambda row, _view: _health(row)),
    Column("TELLS", lambda row, _view: _wanted(row), flexible=True, rank=2),
    col("FROM", "minSeverity", rank=3),
    num("WAITING", lambda row: text.plain(row.get("waiting")), rank=1),
    num("DEAD", lambda row: text.plain(row.get("dead"))),
    when("SENT", "lastSentAt", rank=2),
    col("ORIGIN", "origin", rank=4),
)
_CHANNEL = (
    *_CHANNELS,
    col("HOST", "host"),
    col("SECRETS", "secrets"),
    col("RECIPIENTS", "recipients"),
    col("FORMAT", "format"),
    col("TEAMS", "teams"),
    col("LABELS", "labels"),
    col("QUIET", "quietHours"),
    col("A MINUTE", "maxPerMinute"),
    when("FAILING SINCE", "failingSince"),
    col("NOTE", "note"),
    col("BY", "createdBy"),
)
_DELIVERIES = (
    num("ID", lambda row: text.plain(row.get("id"))),
    when("WHEN", "createdAt"),
    num("CHANNEL", lambda row: text.plain(row.get("channelId"))),
    col("KIND", "kind"),
    col("SEVERITY", "severity", rank=2),
    col("STATE", "state"),
    num("TRIES", lambda row: text.plain(row.get("attempts")), rank=1),
    col("TITLE", "title", flexible=True, rank=3),
    col("ERROR", "error", flexible=True),
)

Id = Annotated[int, typer.Argument(metavar="ID", min=1, help="Number of the channel.")]
Events = Annotated[
    list[str] | None,
    typer.Option("--event", "-e", help="Kind to tell, such as alert.* ; repeatable. None: all."),
]
MinSeverity = Annotated[
    str | None, typer.Option(metavar="LEVEL", help="info, warning, error or critical.")
]
Teams = Annotated[list[str] | None, typer.Option("--team", help="Only about it; repeatable.")]
Labels = Annotated[
    list[str] | None, typer.Option("--label", metavar="NAME=VALUE", help="Only with this label.")
]
UrlFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="File with the address; - reads the input.")
]
KeyFile = Annotated[Path | None, typer.Option(metavar="FILE", help="File with PagerDuty's key.")]
SecretFile = Annotated[
    Path | None, typer.Option(metavar="FILE", help="File with the secret that signs webhooks.")
]
To = Annotated[list[str] | None, typer.Option("--to", help="Mail address; repeatable.")]
Quiet = Annotated[
    str | None, typer.Option(metavar="FROM-UNTIL", help="Quiet hours, such as 22:00-07:00.")
]
Zone = Annotated[str, typer.Option(metavar="ZONE", help="Time zone of the quiet hours.")]
Most = Annotated[int | None, typer.Option("--max-per-minute", min=1, help="Messages a minute.")]
Note = Annotated[str | None, typer.Option("--note", "-m", help="Why, or who asked for it.")]


def install(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    made = group("notifications", "Who is told what, and whether it arrived.", inside=app)
    command(made, "list", watchable=True)(list_channels)
    command(made, "get")(get)
    command(made, "add")(add)
    command(made, "update")(update)
    command(made, "remove")(remove)
    command(made, "test")(try_out)
    command(made, "log", watchable=True)(log)
    command(made, "replay")(replay)


def list_channels(shell: Shell, *, limit: Limit = None, sort: Sort = None) -> None:
    """List channels, and how they do."""
    empty = "no channels; `gpuctl notifications add` makes one"
    shell.listing(CHANNELS, _CHANNELS, empty=empty, limit=limit, sort=sort)


def get(shell: Shell, channel: Id) -> None:
    """Show a channel; of its secrets only the names."""
    shell.printer.one(shell.api.get(under(CHANNELS, str(channel))).data, _CHANNEL)


def add(  # noqa: PLR0913 - typer reads the options from the signature
    shell: Shell,
    kind: Annotated[str, typer.Argument(help="slack, teams, pagerduty, mail or webhook.")],
    name: Annotated[str, typer.Argument(help="How people call it.")],
    *,
    url_file: UrlFile = None,
    routing_key_file: KeyFile = None,
    signing_secret_file: SecretFile = None,
    to: To = None,
    events: Events = None,
    min_severity: MinSeverity = None,
    team: Teams = None,
    label: Labels = None,
    quiet: Quiet = None,
    timezone: Zone = "UTC",
    max_per_minute: Most = None,
    note: Note = None,
) -> None:
    """Add a channel; its secrets come from files, so that no list of processes shows them."""
    told = _told(events, team, label, quiet=quiet, timezone=timezone)
    body = given(
        kind=kind,
        name=name,
        url=_secret(url_file),
        routingKey=_secret(routing_key_file),
        signingSecret=_secret(signing_secret_file),
        recipients=to,
        minSeverity=min_severity,
        maxPerMinute=max_per_minute,
        note=note,
        **told,
    )
    made = shell.send("POST", CHANNELS, body)
    sentence = f"channel {made['id']} added: {made['kind']} {made['name']}"
    shell.printer.done(f"{sentence}; `gpuctl notifications test {made['id']}` tries it", made)


def update(  # noqa: PLR0913 - typer reads the options from the signature
    shell: Shell,
    channel: Id,
    *,
    enable: Annotated[
        bool | None, typer.Option("--enable/--disable", help="Tell it, or do not.")
    ] = None,
    url_file: UrlFile = None,
    routing_key_file: KeyFile = None,
    signing_secret_file: SecretFile = None,
    to: To = None,
    events: Events = None,
    min_severity: MinSeverity = None,
    team: Teams = None,
    label: Labels = None,
    quiet: Quiet = None,
    timezone: Zone = "UTC",
    max_per_minute: Most = None,
    note: Note = None,
) -> None:
    """Change a channel; refused when somebody else changed it meanwhile."""
    path = under(CHANNELS, str(channel))
    known = shell.api.get(path)
    body = {name: known.data[name] for name in _FIELDS}
    body |= _told(events, team, label, quiet=quiet, timezone=timezone)
    body |= given(
        enabled=enable,
        url=_secret(url_file),
        routingKey=_secret(routing_key_file),
        signingSecret=_secret(signing_secret_file),
        recipients=to,
        minSeverity=min_severity,
        maxPerMinute=max_per_minute,
        note=note,
    )
    made = shell.send("PUT", path, body, if_match=known.etag)
    shell.printer.done(f"channel {made['id']} changed: {made['kind']} {made['name']}", made)


def remove(shell: Shell, channel: Id) -> None:
    """Remove a channel with what is still to be sent to it."""
    gone = shell.send("DELETE", under(CHANNELS, str(channel)))
    shell.printer.done(f"channel {channel} removed: {gone['name']}", gone)


def try_out(
    shell: Shell,
    channel: Id,
    *,
    wait: Annotated[
        float, typer.Option("--wait", min=0, metavar="SECONDS", help="How long to wait for it.")
    ] = 15.0,
) -> None:
    """Send a test message, and wait until it has arrived or failed."""
    sent = shell.send("POST", under(CHANNELS, str(channel), "test"))
    ends = time.monotonic() + wait
    path = under(DELIVERIES, str(sent["id"]))
    while _is_open(sent) and time.monotonic() < ends:
        time.sleep(_PAUSE_SECONDS)
        sent = shell.api.get(path).data
    if sent["state"] not in {"sent", "digested"}:
        raise NotArrived(
            f"delivery {sent['id']} is {sent['state']}: {sent['error'] or 'no answer'}"
        )
    shell.printer.done(f"channel {channel} took the test message", sent)


def log(
    shell: Shell,
    *,
    channel: Annotated[int | None, typer.Option(min=1, help="Only to this channel.")] = None,
    state: Annotated[
        str | None, typer.Option(help="Only waiting, sent, digested or dead ones.")
    ] = None,
    kind: Annotated[str | None, typer.Option(help="Only of this kind of event.")] = None,
    limit: Limit = 50,
    sort: Sort = None,
) -> None:
    """List what was sent, and what was not."""
    shell.listing(
        DELIVERIES,
        _DELIVERIES,
        empty="nothing was to be sent",
        limit=limit,
        sort=sort,
        channelId=channel,
        state=state,
        kind=kind,
    )


def replay(
    shell: Shell,
    delivery: Annotated[
        int | None, typer.Argument(metavar="DELIVERY", min=1, help="Number of a dead delivery.")
    ] = None,
    *,
    channel: Annotated[
        int | None, typer.Option(min=1, help="All that was given up for this channel.")
    ] = None,
) -> None:
    """Send again what was given up."""
    if (delivery is None) == (channel is None):
        raise Misused("say which: the number of a delivery, or --channel ID for all of a channel")
    if delivery is not None:
        done = shell.send("POST", under(DELIVERIES, str(delivery), "replay"))
        shell.printer.done(f"delivery {delivery} is sent again", done)
        return
    done = shell.send("POST", under(CHANNELS, str(channel), "replay"))
    shell.printer.done(f"{done['replayed']} deliveries are sent again", done)


class NotArrived(CliError):
    """A test message did not arrive."""

    exit_code = ExitCode.REFUSED


def _is_open(delivery: Row) -> bool:
    return bool(delivery["state"] == "waiting" and not delivery["error"])


def _told(
    events: list[str] | None,
    teams: list[str] | None,
    label: list[str] | None,
    *,
    quiet: str | None,
    timezone: str,
) -> dict[str, Any]:
    return given(
        events=events,
        teams=teams,
        labels=labels(label, "--label") if label else None,
        quietHours=_quiet_hours(quiet, timezone) if quiet else None,
    )


def _quiet_hours(told: str, timezone: str) -> dict[str, str]:
    begin, dash, until = told.partition("-")
    if not (dash and begin and until):
        raise Misused(f"--quiet takes FROM-UNTIL such as 22:00-07:00, not {told!r}")
    return {"from": begin, "until": until, "timezone": timezone}


def _secret(file: Path | None) -> str | None:
    """Read a secret from a file; `-` is the input."""
    if file is None:
        return None
    try:
        found = sys.stdin.read() if str(file) == "-" else file.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise Misused(f"cannot read {file}: {error}") from error
    return found.strip()
