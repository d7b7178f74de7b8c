"""`gpuctl keys`, `teams`, `audit` and `whoami`: who may do what, and who did."""

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any

import typer

from gpu_management.cli import columns, text
from gpu_management.cli.options import Limit
from gpu_management.cli.output import remark
from gpu_management.cli.paths import AUDIT, KEYS, ME, SETTINGS, TEAMS, given, under
from gpu_management.cli.shell import Shell, command, group

KeyId = Annotated[str, typer.Argument(metavar="KEY", help="Id, see `gpuctl keys list`.")]
TeamId = Annotated[str, typer.Argument(metavar="TEAM")]
GpuLimit = Annotated[
    float | None, typer.Option("--gpus", min=0, help="GPUs held at once at most; else no limit.")
]
Namespaces = Annotated[list[str], typer.Option("--namespace", "-n", help="Its pods are theirs.")]


def install(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    keys = group("keys", "API keys: issue, rotate, revoke.", inside=app)
    command(keys, "list")(list_keys)
    command(keys, "create")(create_key)
    command(keys, "rotate")(rotate_key)
    command(keys, "revoke")(revoke_key)
    teams = group("teams", "Teams: quotas and namespaces.", inside=app)
    command(teams, "list")(list_teams)
    command(teams, "get")(get_team)
    command(teams, "create")(create_team)
    command(teams, "update")(update_team)
    command(teams, "delete")(delete_team)
    audit = group("audit", "Who did what.", inside=app)
    command(audit, "list", watchable=True)(list_audit)
    settings = group("settings", "What a running server is set to.", inside=app)
    command(settings, "list")(list_settings)
    command(app, "whoami")(whoami)


def whoami(shell: Shell) -> None:
    """Show who the server takes you for, and what you may do."""
    found = shell.api.get(ME).data
    shell.printer.fields(found)


def list_keys(shell: Shell, *, limit: Limit = None) -> None:
    """List the keys; never their secrets."""
    shell.listing(KEYS, columns.KEYS, empty="no keys", limit=limit)


def create_key(
    shell: Shell,
    name: Annotated[str, typer.Argument(help="What it is for.")],
    *,
    role: Annotated[list[str], typer.Option("--role", "-r", help="ADMIN, OPERATOR, USER, …")],
    team: Annotated[str | None, typer.Option(help="Whose rows a USER sees.")] = None,
    user: Annotated[str | None, typer.Option(help="The person it acts for.")] = None,
    days: Annotated[
        int | None, typer.Option(min=1, help="Valid that long; else until revoked.")
    ] = None,
) -> None:
    """Issue a key. Its secret is printed once, alone on standard output."""
    until = datetime.now(UTC) + timedelta(days=days) if days else None
    body = given(
        name=name, roles=role, team=team, user=user, expiresAt=until.isoformat() if until else None
    )
    _show_secret(shell, shell.send("POST", KEYS, body))


def rotate_key(
    shell: Shell,
    key: KeyId,
    *,
    grace: Annotated[int, typer.Option(min=0, help="Seconds the old secret still works.")] = 3600,
) -> None:
    """Give a key a new secret. It is printed once, alone on standard output."""
    _show_secret(shell, shell.send("POST", under(KEYS, key, "rotate"), {"graceSeconds": grace}))


def revoke_key(shell: Shell, key: KeyId) -> None:
    """End a key."""
    ended = shell.send("DELETE", under(KEYS, key))
    shell.printer.done(f"{key} ({ended['name']}) revoked", ended)


def list_teams(shell: Shell, *, limit: Limit = None) -> None:
    """List the teams."""
    shell.listing(TEAMS, columns.TEAMS, empty="no teams", limit=limit)


def get_team(shell: Shell, team: TeamId) -> None:
    """Show one team."""
    shell.printer.one(shell.api.get(under(TEAMS, team)).data, columns.TEAMS)


def create_team(
    shell: Shell,
    team: TeamId,
    *,
    name: Annotated[str | None, typer.Option(help="For people; else the id.")] = None,
    gpus: GpuLimit = None,
    namespace: Namespaces = [],  # noqa: B006 - typer copies it
) -> None:
    """Add a team."""
    body = _team(name or team, gpus, namespace)
    made = shell.send("POST", TEAMS, {"teamId": team} | body)
    shell.printer.done(f"{team} added, limit {text.gpus(made['gpuLimitMilli'])} GPUs", made)


def update_team(
    shell: Shell,
    team: TeamId,
    *,
    name: Annotated[str | None, typer.Option()] = None,
    gpus: GpuLimit = None,
    no_limit: Annotated[bool, typer.Option("--no-limit", help="Take the limit away.")] = False,
    namespace: Namespaces = [],  # noqa: B006 - typer copies it
) -> None:
    """Change a team; what is left out stays."""
    present = shell.api.get(under(TEAMS, team)).data
    asked = _team(name or present["name"], gpus, namespace or present["namespaces"])
    if gpus is None:
        asked["gpuLimitMilli"] = None if no_limit else present["gpuLimitMilli"]
    changed = shell.send("PUT", under(TEAMS, team), asked)
    shell.printer.done(f"{team} updated", changed)


def delete_team(shell: Shell, team: TeamId) -> None:
    """Remove a team; what it held and cost keeps its name."""
    shell.send("DELETE", under(TEAMS, team))
    shell.printer.done(f"{team} removed")


def list_audit(
    shell: Shell,
    *,
    who: Annotated[str | None, typer.Option("--by", help="Only by this principal.")] = None,
    action: Annotated[str | None, typer.Option(help="Such as device.register.")] = None,
    target: Annotated[str | None, typer.Option("--on", help="Only on this.")] = None,
    since: Annotated[str | None, typer.Option(metavar="TIME", help="ISO time with zone.")] = None,
    limit: Limit = 50,
) -> None:
    """List who did what to what, newest first."""
    query = {"principal": who, "action": action, "targetId": target, "since": since}
    shell.listing(AUDIT, columns.AUDIT, empty="nothing recorded", limit=limit, **query)


def list_settings(
    shell: Shell,
    *,
    changed: Annotated[bool, typer.Option("--changed", help="Leave the defaults out.")] = False,
) -> None:
    """List what the server is set to and where each value comes from; secrets are masked."""
    rows = shell.api.get(SETTINGS).data
    kept = [row for row in rows if not changed or row["origin"] != "default"]
    shell.printer.rows(kept, columns.SETTINGS, empty="all default")


def _team(name: str, gpus: float | None, namespaces: list[str]) -> dict[str, Any]:
    limit = None if gpus is None else round(gpus * 1000)
    return {"name": name, "gpuLimitMilli": limit, "namespaces": list(namespaces)}


def _show_secret(shell: Shell, issued: dict[str, Any]) -> None:
    if not shell.printer.is_for_people():
        shell.printer.data(issued)
        return
    remark(f"{issued['keyId']} ({issued['name']}): the secret is shown this once")
    shell.printer.done(issued["key"])
