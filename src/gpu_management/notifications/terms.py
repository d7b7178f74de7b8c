"""What a process is told about notifications: rules, mail server, channels of the settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from gpu_management.notifications import slack, teams
from gpu_management.notifications.guard import Outbound
from gpu_management.notifications.models import ChannelKind
from gpu_management.notifications.pacing import Pace, Retry
from gpu_management.notifications.templates import Template

FROM_FILE = "file:"
"""A secret that begins so is the name of a file in the folder of secrets."""


class SecretMissing(Exception):
    """A secret that a channel needs cannot be read; the sentence names it, not its value."""


@dataclass(frozen=True, slots=True)
class MailServer:
    """Where mail is handed in; `tls` is starttls, tls or none."""

    host: str
    port: int = 587
    tls: str = "starttls"
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    sender: str = "gpu-management@localhost"


@dataclass(frozen=True, slots=True)
class Configured:
    """A channel of the settings; `secrets` stay in memory."""

    name: str
    kind: ChannelKind
    route: Mapping[str, Any]
    options: Mapping[str, Any] = field(default_factory=dict)
    secrets: Mapping[str, Any] = field(default_factory=dict, repr=False)
    enabled: bool = True


@dataclass(frozen=True, slots=True)
class Terms:
    """How notifications are sent."""

    outbound: Outbound = field(default_factory=Outbound)
    timeout_seconds: float = 10.0
    people: Retry = field(default_factory=lambda: Retry(keep_trying=timedelta(hours=6)))
    machines: Retry = field(default_factory=Retry)
    pace: Pace = field(default_factory=Pace)
    secrets_dir: Path | None = None
    ca_file: Path | None = None
    mail: MailServer | None = None
    configured: tuple[Configured, ...] = ()
    slack_templates: Mapping[str, Template] = field(default_factory=slack.default_templates)
    teams_templates: Mapping[str, Template] = field(default_factory=teams.default_templates)

    def retry_of(self, kind: ChannelKind) -> Retry:
        """Return how often a channel of this kind is tried."""
        return self.machines if kind is ChannelKind.WEBHOOK else self.people

    def pace_of(self, kind: ChannelKind, options: Mapping[str, Any]) -> Pace | None:
        """Return how many messages a channel gets; machines get all, one by one."""
        if options.get("max_per_minute"):
            return Pace(int(options["max_per_minute"]), timedelta(minutes=1))
        return None if kind is ChannelKind.WEBHOOK else self.pace

    def secret(self, text: str) -> str:
        """Return a secret: as it is, or read from the file that it names.

        Raises:
            SecretMissing: there is no folder of secrets, or no such file in it.
        """
        if not text.startswith(FROM_FILE):
            return text
        name = text.removeprefix(FROM_FILE)
        if self.secrets_dir is None:
            raise SecretMissing("alerts.notification.secrets-dir is not set")
        if not name or name in {".", ".."} or Path(name).name != name:
            raise SecretMissing(f"{name[:60]} is no plain file name")
        try:
            return (self.secrets_dir / name).read_text(encoding="utf-8").strip()
        except (OSError, UnicodeError) as error:
            raise SecretMissing(f"the file {name} of secrets cannot be read") from error
