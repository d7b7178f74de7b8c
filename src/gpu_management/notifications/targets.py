"""A channel with its secrets in hand: read when something is sent, and kept nowhere."""

from collections.abc import Mapping
from typing import Any

from gpu_management.notifications.models import Channel, Origin
from gpu_management.notifications.posts import AUTO, Target
from gpu_management.notifications.terms import SecretMissing, Terms


def target_of(channel: Channel, terms: Terms) -> Target:
    """Return where the messages of a channel go.

    Raises:
        SecretMissing: the settings do not know it any more, or a file of secrets is not there.
    """
    secrets = _secrets(channel, terms)
    return Target(
        kind=channel.kind,
        url=terms.secret(str(secrets.get("url") or "")),
        form=str(channel.options.get("format") or AUTO),
        routing_key=terms.secret(str(secrets.get("routing_key") or "")),
        signing_secret=terms.secret(str(secrets.get("signing_secret") or "")) or None,
        headers={name: terms.secret(value) for name, value in secrets.get("headers", {}).items()},
        recipients=tuple(channel.options.get("recipients", ())),
        slack_templates=terms.slack_templates,
        teams_templates=terms.teams_templates,
    )


def _secrets(channel: Channel, terms: Terms) -> Mapping[str, Any]:
    if channel.origin is Origin.API:
        return channel.secrets
    name = channel.name.removesuffix(" (settings)")
    for one in terms.configured:
        if one.name[:80] == name[:80] and one.kind is channel.kind:
            return one.secrets
    raise SecretMissing(f"the settings do not name {channel.name}")
