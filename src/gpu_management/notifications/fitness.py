"""Whether a channel can work: what its kind needs, and that its address may be used. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from gpu_management.core.problems import FieldError, ValidationFailed
from gpu_management.events.filters import parse_types
from gpu_management.notifications import mail, webhook
from gpu_management.notifications.errors import ChannelInvalid
from gpu_management.notifications.guard import AddressRefused, check_form
from gpu_management.notifications.models import ChannelKind
from gpu_management.notifications.terms import FROM_FILE, Terms

_HEADER_NAME = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}")
_HEADER_VALUE = re.compile(r"[\x20-\x7e\t]{0,4000}")
_LONGEST_SECRET = 2000
_OURS = frozenset({"host", "content-length", "transfer-encoding", "connection", "upgrade"})
_NEEDS_URL = frozenset({ChannelKind.SLACK, ChannelKind.TEAMS, ChannelKind.WEBHOOK})


class Told(Protocol):
    """What somebody says of a channel, as far as it is weighed here."""

    @property
    def events(self) -> list[str]:
        """Return the kinds it wants."""

    @property
    def recipients(self) -> list[str]:
        """Return the mail addresses."""


def check_channel(
    kind: ChannelKind, told: Told, *, secrets: Mapping[str, Any], terms: Terms
) -> None:
    """Refuse a channel that could never be sent to.

    Raises:
        ChannelInvalid: each reason is a field error.
    """
    errors = [
        *_events(told),
        *_missing(kind, told, secrets),
        *_too_long(secrets),
        *_address(secrets, terms),
        *_signing(secrets),
        *_headers(secrets.get("headers", {})),
        *_recipients(told),
    ]
    if errors:
        raise ChannelInvalid("; ".join(error.message for error in errors), errors=errors)


def _events(told: Told) -> Iterator[FieldError]:
    for pattern in told.events:
        if "," in pattern:
            yield FieldError("events", "format", "one kind in each place, no commas", pattern)
        try:
            parse_types(pattern)
        except ValidationFailed as unknown:
            yield FieldError("events", "format", unknown.detail, pattern)


def _missing(kind: ChannelKind, told: Told, secrets: Mapping[str, Any]) -> Iterator[FieldError]:
    if kind in _NEEDS_URL and not secrets.get("url"):
        yield FieldError("url", "required", f"a {kind.value} channel needs its url")
    if kind is ChannelKind.PAGERDUTY and not secrets.get("routing_key"):
        yield FieldError("routingKey", "required", "a pagerduty channel needs its routingKey")
    if kind is ChannelKind.MAIL and not told.recipients:
        yield FieldError("recipients", "required", "a mail channel needs recipients")


def _too_long(secrets: Mapping[str, Any]) -> Iterator[FieldError]:
    for name, field in (
        ("url", "url"),
        ("routing_key", "routingKey"),
        ("signing_secret", "signingSecret"),
    ):
        if len(str(secrets.get(name) or "")) > _LONGEST_SECRET:
            message = f"{field} is longer than {_LONGEST_SECRET:,} characters"
            yield FieldError(field, "length", message)


def _address(secrets: Mapping[str, Any], terms: Terms) -> Iterator[FieldError]:
    url = str(secrets.get("url") or "")
    if not url or url.startswith(FROM_FILE):
        return
    try:
        check_form(url, terms.outbound)
    except AddressRefused as refused:
        yield FieldError("url", "allowed", str(refused))


def _signing(secrets: Mapping[str, Any]) -> Iterator[FieldError]:
    secret = str(secrets.get("signing_secret") or "")
    if not secret or secret.startswith(FROM_FILE):
        return
    try:
        webhook.check_secret(secret)
    except ValueError as unfit:
        yield FieldError("signingSecret", "format", str(unfit))


def _headers(headers: Mapping[str, str]) -> Iterator[FieldError]:
    for name, value in headers.items():
        if not _HEADER_NAME.fullmatch(name) or name.casefold() in _OURS:
            yield FieldError("headers", "name", f"{name[:60]!r} is no header that can be set")
        elif not _HEADER_VALUE.fullmatch(value):
            yield FieldError("headers", "value", f"the value of {name[:60]} is not plain ASCII")


def _recipients(told: Told) -> Iterator[FieldError]:
    for recipient in told.recipients:
        try:
            mail.check_address(recipient)
        except ValueError as unfit:
            yield FieldError("recipients", "format", str(unfit), recipient[:100])
