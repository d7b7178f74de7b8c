"""Hand one message to the world, and say how that ended."""

import smtplib
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from threading import Timer
from types import TracebackType

import httpx2

from gpu_management.core.text import mask_secrets, one_line
from gpu_management.notifications import mail
from gpu_management.notifications.guard import AddressRefused, Resolve, pin, resolve
from gpu_management.notifications.messages import Message
from gpu_management.notifications.models import ChannelKind
from gpu_management.notifications.posts import Post, Target, post_of
from gpu_management.notifications.terms import SecretMissing, Terms

_READ_BYTES = 65_536
"""So much of an answer is read, and thrown away, so that the connection can be used again."""
_PASSING = frozenset({408, 425, 429})
_CLIENT_ERRORS = range(400, 500)
_LONGEST_ERROR = 300


@dataclass(frozen=True, slots=True)
class Outcome:
    """How an attempt ended; `error` is None when the message arrived.

    `lasts` means that trying for hours is no use; `retry_after` is what the receiver asked for.
    """

    error: str | None = None
    lasts: bool = False
    retry_after: timedelta | None = None


ARRIVED = Outcome()


class Sender:
    """Sends to one receiver after the other in one thread; connections are kept while it lives."""

    def __init__(self, terms: Terms, *, look_up: Resolve = resolve) -> None:
        """Send by `terms`; names are looked up with `look_up`."""
        self._terms = terms
        self._look_up = look_up
        self._client: httpx2.Client | None = None

    def __enter__(self) -> "Sender":
        """Begin."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close what is open."""
        self._close()

    def send(self, target: Target, message: Message, *, message_id: str, now: datetime) -> Outcome:
        """Try once to tell `target` of `message`; failures are answered, not raised."""
        try:
            if target.kind is ChannelKind.MAIL:
                return self._mail(target, message, message_id)
            return self._post(post_of(target, message, message_id=message_id, now=now))
        except (AddressRefused, SecretMissing, ValueError) as refused:
            return _failed(str(refused), lasts=True)
        except httpx2.TimeoutException:
            return _failed(f"no answer within {self._terms.timeout_seconds:g} s")
        except (httpx2.HTTPError, httpx2.InvalidURL, OSError, RuntimeError) as failed:
            return _failed(f"{type(failed).__name__}: {failed}")

    def _mail(self, target: Target, message: Message, message_id: str) -> Outcome:
        server = self._terms.mail
        if server is None:
            return _failed("alerts.notification.mail.host is not set", lasts=True)
        made = mail.letter(
            message, sender=server.sender, recipients=target.recipients, message_id=message_id
        )
        try:
            trusted = _trusted(self._terms.ca_file)
            seconds = self._terms.timeout_seconds
            mail.hand_in(made, server, trusted=trusted, timeout_seconds=seconds)
        except smtplib.SMTPResponseException as refused:
            text = refused.smtp_error
            said = text.decode("utf-8", "replace") if isinstance(text, bytes) else str(text)
            return _failed(f"the mail server answered {refused.smtp_code} {said}")
        return ARRIVED

    def _post(self, post: Post) -> Outcome:
        there = pin(post.url, self._terms.outbound, look_up=self._look_up)
        headers = {**post.headers, "Host": there.host_header}
        client = self._open()
        with (
            self._within(self._terms.timeout_seconds),
            client.stream(
                "POST",
                there.url,
                content=post.content.encode(),
                headers=headers,
                extensions={"sni_hostname": there.server_name},
            ) as answer,
        ):
            _drain(answer)
            return _outcome(answer)

    def _open(self) -> httpx2.Client:
        if self._client is None or self._client.is_closed:
            self._client = httpx2.Client(
                verify=_trusted(self._terms.ca_file),
                timeout=self._terms.timeout_seconds,
                follow_redirects=False,  # the next address would be one that nobody judged
                trust_env=False,
            )
        return self._client

    @contextmanager
    def _within(self, seconds: float) -> Iterator[None]:
        """End a request that trickles: the timeouts of the client are those of single reads."""
        timer = Timer(seconds, self._close)
        timer.daemon = True
        timer.start()
        try:
            yield
        finally:
            timer.cancel()

    def _close(self) -> None:
        if self._client is not None:
            self._client.close()


@cache
def _trusted(ca_file: Path | None) -> ssl.SSLContext:
    """Return what certificates are checked with; reading them takes a while."""
    context = httpx2.create_ssl_context()
    if ca_file is not None:
        context.load_verify_locations(ca_file)
    return context


def _drain(answer: httpx2.Response) -> None:
    read = 0
    for part in answer.iter_raw():
        read += len(part)
        if read > _READ_BYTES:
            return


def _outcome(answer: httpx2.Response) -> Outcome:
    status = answer.status_code
    if answer.is_success:
        return ARRIVED
    if answer.has_redirect_location:
        return _failed(f"the receiver answered {status}: redirects are not followed", lasts=True)
    # What the answer says is not kept: it may be from where nobody should look.
    return Outcome(
        f"the receiver answered {status}",
        lasts=status in _CLIENT_ERRORS and status not in _PASSING,
        retry_after=_seconds(answer.headers.get("retry-after")),
    )


def _seconds(text: str | None) -> timedelta | None:
    if text is None or not text.strip().isdecimal():
        return None
    return timedelta(seconds=min(int(text.strip()[:9]), 86_400))


def _failed(reason: str, *, lasts: bool = False) -> Outcome:
    return Outcome(mask_secrets(one_line(reason))[:_LONGEST_ERROR], lasts=lasts)
