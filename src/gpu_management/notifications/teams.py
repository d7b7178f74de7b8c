"""Microsoft Teams: MessageCard for connectors, Adaptive Cards for Workflows (D-22). Pure."""

from collections.abc import Mapping
from enum import StrEnum
from functools import cache
from importlib.resources import files
from typing import Any, Final

from gpu_management.notifications.messages import Message, Severity, template_values
from gpu_management.notifications.templates import Template, parse

TEMPLATE: Final = "gpu-alert"
_STYLES: Final = {
    Severity.INFO: "good",
    Severity.WARNING: "warning",
    Severity.ERROR: "attention",
    Severity.CRITICAL: "attention",
}


class Format(StrEnum):
    """What the address takes."""

    MESSAGE_CARD = "messagecard"
    ADAPTIVE_CARD = "adaptivecard"


@cache
def default_templates() -> Mapping[str, Template]:
    """Return the packaged template by its name."""
    file = files("gpu_management.notifications") / "data" / f"teams-{TEMPLATE}.json"
    return {TEMPLATE: parse(file.read_text(encoding="utf-8"))}


def body(
    message: Message, templates: Mapping[str, Template], *, form: Format = Format.MESSAGE_CARD
) -> dict[str, Any]:
    """Return the JSON that Teams is sent."""
    if form is Format.ADAPTIVE_CARD:
        return _adaptive(message)
    values = template_values(message)
    # Facts are always there in the card, so each needs a word.
    values.setdefault("deviceId", message.subject_id)
    made: dict[str, Any] = templates[TEMPLATE].render(values, escape=escape)
    return made


def _adaptive(message: Message) -> dict[str, Any]:
    facts = {"Subject": message.subject_id, **message.details, "Time": _time(message)}
    style = "good" if message.resolved else _STYLES[message.severity]
    content = {
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "body": [
            {
                "type": "Container",
                "style": style,
                "items": [
                    {
                        "type": "TextBlock",
                        "text": escape(message.title),
                        "weight": "Bolder",
                        "wrap": True,
                    }
                ],
            },
            {"type": "TextBlock", "text": escape(message.text), "wrap": True},
            {
                "type": "FactSet",
                "facts": [
                    {"title": escape(str(name)), "value": escape(str(value))}
                    for name, value in facts.items()
                    if value is not None and not isinstance(value, dict | list)
                ],
            },
        ],
    }
    attachment = {
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": None,
        "content": content,
    }
    return {"type": "message", "attachments": [attachment]}


def escape(text: str) -> str:
    """Return text that Teams' Markdown shows as it is: no links, no pictures, no emphasis."""
    return "".join(f"\\{letter}" if letter in "\\`*_[]<>" else letter for letter in text)


def _time(message: Message) -> str:
    return str(template_values(message)["timestamp"])
