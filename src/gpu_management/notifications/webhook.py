"""Generic webhooks: the integration guide's body, signed as standardwebhooks.com has it. Pure."""

import json
from datetime import datetime
from typing import Any, Final

from standardwebhooks.webhooks import EmptyWebhookSecretError, Webhook

from gpu_management.core.clock import wire_time
from gpu_management.notifications.messages import Message

SOURCE: Final = "gpu-management"


def body(message: Message) -> dict[str, Any]:
    """Return the JSON that a receiver of events is sent (WHK-02)."""
    return {
        "eventType": message.kind,
        "timestamp": wire_time(message.at),
        "data": dict(message.details),
        "source": SOURCE,
    }


def signature_headers(
    secret: str, content: str, *, message_id: str, now: datetime
) -> dict[str, str]:
    """Return the headers that prove who sent `content`, and when; `secret` is base64.

    Raises:
        ValueError: the secret is not base64, or empty.
    """
    signature = _signer(secret).sign(message_id, now, content)
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": signature,
    }


def check_secret(secret: str) -> None:
    """Refuse what cannot sign.

    Raises:
        ValueError: the secret is not base64, or empty.
    """
    _signer(secret)


def _signer(secret: str) -> Webhook:
    try:
        return Webhook(secret)
    except (ValueError, EmptyWebhookSecretError) as unfit:
        raise ValueError("a signing secret is base64 of 24 bytes or more, as in whsec_…") from unfit


def encoded(payload: dict[str, Any]) -> str:
    """Return the JSON text that is sent, and signed; halves of characters become `?`."""
    text = json.dumps(payload, ensure_ascii=False, separators=(",", ":"))
    return text.encode("utf-8", "replace").decode()
