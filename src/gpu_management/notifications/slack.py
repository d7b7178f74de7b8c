"""Slack: incoming webhooks (https://api.slack.com/messaging/webhooks). Pure; sends nothing."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Final

from gpu_management.notifications.messages import Message, Severity, template_values
from gpu_management.notifications.templates import Template, parse

BY_KIND: Final = {
    "device.overheating": "gpu-overheating",
    "allocation.created": "allocation-success",
}
"""The template of each kind of event; others have one of their own name, or a plain message."""
_COLOURS: Final = {
    Severity.INFO: "good",
    Severity.WARNING: "warning",
    Severity.ERROR: "danger",
    Severity.CRITICAL: "danger",
}
_LONGEST_TEXT: Final = 2900
"""Slack takes 3,000 characters in a section."""
_LONGEST_HEADER: Final = 150


@cache
def default_templates() -> Mapping[str, Template]:
    """Return the packaged templates by name."""
    folder = files("gpu_management.notifications") / "data"
    return {
        name: parse((folder / f"slack-{name}.json").read_text(encoding="utf-8"))
        for name in sorted(set(BY_KIND.values()))
    }


def body(message: Message, templates: Mapping[str, Template]) -> dict[str, Any]:
    """Return the JSON that Slack is sent: the kind's template filled in, or a plain message."""
    template = templates.get(BY_KIND.get(message.kind, message.kind))
    if template is not None and not message.resolved:
        made: dict[str, Any] = template.render(template_values(message), escape=escape)
        return made
    state = "✅ " if message.resolved else ""
    title = f"{state}{message.title}"[:_LONGEST_HEADER]
    facts = "\n".join(
        f"*{escape(str(name))}:* {escape(str(value))}"
        for name, value in message.details.items()
        if value is not None and not isinstance(value, dict | list)
    )
    text = f"{escape(message.text)}\n{facts}".strip()[:_LONGEST_TEXT]
    colour = "good" if message.resolved else _COLOURS[message.severity]
    blocks = [{"type": "section", "text": {"type": "mrkdwn", "text": text}}]
    return {"text": escape(title), "attachments": [{"color": colour, "blocks": blocks}]}


def escape(text: str) -> str:
    """Return text in which Slack finds no mention, link or channel of its own."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
