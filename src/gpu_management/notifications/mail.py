"""E-mail: the letter, and handing it to a server (RFC 5321, STARTTLS by RFC 3207)."""

import re
import smtplib
import ssl
from collections.abc import Sequence
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from typing import Final

from gpu_management.core.text import one_line
from gpu_management.notifications.messages import Message, template_values
from gpu_management.notifications.terms import MailServer

_ADDRESS: Final = re.compile(
    r"(?P<local>[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]{1,64})@(?P<domain>[A-Za-z0-9.-]{1,253})"
)
"""Addresses as people have them: no quotes, comments or lists."""


def letter(
    message: Message, *, sender: str, recipients: Sequence[str], message_id: str
) -> EmailMessage:
    """Return the mail about a message; a repeat has the same Message-ID.

    Raises:
        ValueError: an address is none.
    """
    made = EmailMessage(policy=SMTP)
    state = "RESOLVED" if message.resolved else message.severity.value.upper()
    made["Subject"] = one_line(f"[{state}] {message.title}")[:200]
    made["From"] = check_address(sender)
    made["To"] = [check_address(recipient) for recipient in recipients]
    made["Date"] = message.at
    made["Message-ID"] = f"<{message_id}@gpu-management>"
    made["Auto-Submitted"] = "auto-generated"  # RFC 3834: no holiday replies
    made.set_content(_text(message))
    return made


def hand_in(
    made: EmailMessage, server: MailServer, *, trusted: ssl.SSLContext, timeout_seconds: float
) -> None:
    """Give a mail to the server; every recipient is taken, or the server says which are not.

    Raises:
        OSError: it cannot be reached, or smtplib.SMTPException (an OSError): it refused.
    """
    with _connected(server, timeout_seconds, trusted) as smtp:
        if server.tls == "starttls":
            smtp.starttls(context=trusted)
        if server.username:
            smtp.login(server.username, server.password or "")
        refused = smtp.send_message(made)
    if refused:
        raise smtplib.SMTPRecipientsRefused(refused)


def check_address(text: str) -> Address:
    """Read a mail address.

    Raises:
        ValueError: it is none.
    """
    found = _ADDRESS.fullmatch(text)
    if found is None:
        raise ValueError(f"{text[:80]!r} is no mail address")
    return Address(username=found["local"], domain=found["domain"])


def _connected(server: MailServer, timeout_seconds: float, context: ssl.SSLContext) -> smtplib.SMTP:
    if server.tls == "tls":
        return smtplib.SMTP_SSL(server.host, server.port, timeout=timeout_seconds, context=context)
    return smtplib.SMTP(server.host, server.port, timeout=timeout_seconds)


def _text(message: Message) -> str:
    facts = {**message.details, "time": template_values(message)["timestamp"]}
    lines = [
        f"{name}: {one_line(str(value))}"
        for name, value in facts.items()
        if value is not None and not isinstance(value, dict | list)
    ]
    return "\n".join([message.text, "", *lines, ""])
