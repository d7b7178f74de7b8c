"""What is sent where: a message for a channel, as one HTTP request. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final
from urllib.parse import urlsplit

from gpu_management import __version__
from gpu_management.notifications import pagerduty, slack, teams, webhook
from gpu_management.notifications.messages import Message
from gpu_management.notifications.models import ChannelKind
from gpu_management.notifications.templates import Template

AUTO: Final = "auto"
_FORMAT_OF: Final = {
    ChannelKind.SLACK: "slack",
    ChannelKind.TEAMS: "teams",
    ChannelKind.PAGERDUTY: "pagerduty",
}
_HOSTS: Final = (
    ("hooks.slack.com", "slack"),
    ("hooks.slack-gov.com", "slack"),
    (".webhook.office.com", "teams"),
    ("outlook.office.com", "teams"),
    (".logic.azure.com", "adaptivecard"),
    (".powerplatform.com", "adaptivecard"),
    ("events.pagerduty.com", "pagerduty"),
    ("events.eu.pagerduty.com", "pagerduty"),
)
"""Receivers that are known by their host (D-13)."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where a channel's messages go, its secrets in hand."""

    kind: ChannelKind
    url: str = field(default="", repr=False)
    form: str = AUTO
    routing_key: str = field(default="", repr=False)
    signing_secret: str | None = field(default=None, repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    recipients: tuple[str, ...] = ()
    slack_templates: Mapping[str, Template] = field(default_factory=slack.default_templates)
    teams_templates: Mapping[str, Template] = field(default_factory=teams.default_templates)


@dataclass(frozen=True, slots=True)
class Post:
    """One HTTP request."""

    url: str
    headers: Mapping[str, str]
    content: str


def post_of(target: Target, message: Message, *, message_id: str, now: datetime) -> Post:
    """Return the request that tells `target` of `message`; a repeat has the same `message_id`.

    Raises:
        ValueError: the signing secret cannot sign.
    """
    form = format_of(target)
    content = webhook.encoded(_body(target, form, message))
    headers = {"Content-Type": "application/json", "User-Agent": f"gpu-management/{__version__}"}
    if form == "generic":
        headers |= {"webhook-id": message_id, "webhook-timestamp": str(int(now.timestamp()))}
        if target.signing_secret:
            headers |= webhook.signature_headers(
                target.signing_secret, content, message_id=message_id, now=now
            )
    url = target.url or (pagerduty.URL if form == "pagerduty" else "")
    return Post(url, _replaced(headers, target.headers), content)


def format_of(target: Target) -> str:
    """Return what the receiver takes: as it is told, else as its host is known for."""
    known = _by_host(target.url)
    if target.kind is ChannelKind.TEAMS:
        return known if target.form == AUTO and known == "adaptivecard" else _teams(target.form)
    if target.kind in _FORMAT_OF:
        return _FORMAT_OF[target.kind]
    return known if target.form == AUTO else target.form


def dedup_key(message: Message) -> str:
    """Return PagerDuty's key of what a message is about; firing and resolved have the same."""
    told = message.details
    source = str(told.get("deviceId") or told.get("node") or message.subject_id)
    component = str(told.get("alert") or pagerduty.COMPONENT)
    return pagerduty.dedup_key(source, component, message.since or message.at)


def _teams(form: str) -> str:
    return "adaptivecard" if form == "adaptivecard" else "teams"


def _by_host(url: str) -> str:
    host = (urlsplit(url).hostname or "").casefold()
    for known, form in _HOSTS:
        if host == known or (known.startswith(".") and host.endswith(known)):
            return form
    return "generic"


def _body(target: Target, form: str, message: Message) -> dict[str, Any]:
    if form == "slack":
        return slack.body(message, target.slack_templates)
    if form in {"teams", "adaptivecard"}:
        card = teams.Format.ADAPTIVE_CARD if form == "adaptivecard" else teams.Format.MESSAGE_CARD
        return teams.body(message, target.teams_templates, form=card)
    if form == "pagerduty":
        return pagerduty.body(message, target.routing_key, key=dedup_key(message))
    return webhook.body(message)


def _replaced(usual: Mapping[str, str], own: Mapping[str, str]) -> dict[str, str]:
    """Return the headers with those of the channel in place of the usual ones (WHK-04)."""
    names = {name.casefold() for name in own}
    kept = {name: value for name, value in usual.items() if name.casefold() not in names}
    return {**kept, **own}
