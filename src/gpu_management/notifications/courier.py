"""Carries deliveries to their channels: a thread for each channel that has something due.

A channel that hangs keeps its own thread busy and nobody else. A thread ends when nothing is due;
the next tick starts another. What a dying process had claimed becomes due again by itself.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from functools import partial
from threading import Event, Lock, Thread
from typing import Final

from prometheus_client import Counter
from sqlalchemy.exc import SQLAlchemyError

from gpu_management.core.clock import Clock
from gpu_management.core.database import Database
from gpu_management.core.logs import get_logger
from gpu_management.notifications import feed, outbox
from gpu_management.notifications.digest import digest
from gpu_management.notifications.guard import Resolve, resolve
from gpu_management.notifications.messages import Message, from_json
from gpu_management.notifications.models import Channel, Delivery
from gpu_management.notifications.outbox import Claimed, Result
from gpu_management.notifications.posts import Target
from gpu_management.notifications.sender import Outcome, Sender
from gpu_management.notifications.targets import target_of
from gpu_management.notifications.terms import SecretMissing, Terms

log = get_logger(__name__)

ATTEMPTS = Counter(
    "gpu_management_notification_attempts",
    "Attempts to send a notification, by kind of channel and how they ended.",
    ["kind", "outcome"],
)
_MARGIN: Final = timedelta(seconds=5)
"""After two timeouts and this, what was claimed is taken for lost, and another may send it."""
_MOST_TAKEN: Final = 40
"""Pages of events that one tick reads at most; the next goes on."""


class Courier:
    """Follows the events of one database and sends what they say."""

    def __init__(
        self, database: Database, terms: Terms, clock: Clock, *, look_up: Resolve = resolve
    ) -> None:
        """Send nothing before the first `tick`."""
        self._database = database
        self._terms = terms
        self._clock = clock
        self._look_up = look_up
        self._threads: dict[int, Thread] = {}
        self._starting = Lock()
        self._stopping = Event()

    def tick(self, now: datetime) -> None:
        """Make deliveries of what happened, and start a thread for each channel with work."""
        self.take(now)
        with self._database.read() as session:
            due = outbox.due_channels(session, now=now)
        for channel_id in due:
            self._start(channel_id)

    def take(self, now: datetime) -> int:
        """Make deliveries of the events that are not yet; return how many events those were."""
        taken = 0
        for _ in range(_MOST_TAKEN):
            with self._database.read() as session:
                if not feed.is_behind(session):
                    break
            with self._database.write() as session:
                found = feed.take(session, now=now)
            taken += found
            if not found:
                break
        return taken

    def stop(self, *, within_seconds: float = 5.0) -> None:
        """Start nothing more, and give what is being sent a moment to end."""
        self._stopping.set()
        with self._starting:
            running = list(self._threads.values())
        for thread in running:
            thread.join(within_seconds / max(1, len(running)))

    def wait(self, *, seconds: float) -> bool:
        """Wait until no thread runs; return whether that came about."""
        with self._starting:
            running = list(self._threads.values())
        for thread in running:
            thread.join(seconds)
        return not any(thread.is_alive() for thread in running)

    def _start(self, channel_id: int) -> None:
        with self._starting:
            known = self._threads.get(channel_id)
            if self._stopping.is_set() or (known is not None and known.is_alive()):
                return
            # A daemon: a receiver that hangs must not keep the process from ending.
            thread = Thread(
                target=self._run, args=[channel_id], name=f"courier-{channel_id}", daemon=True
            )
            self._threads[channel_id] = thread
            thread.start()

    def _run(self, channel_id: int) -> None:
        try:
            with Sender(self._terms, look_up=self._look_up) as sender:
                while not self._stopping.is_set() and self.round(channel_id, sender):
                    pass
        except (SQLAlchemyError, OSError) as failed:
            reason = str(failed).splitlines()[0]
            log.warning("GPU notifications of channel %s wait: %s", channel_id, reason)

    def round(self, channel_id: int, sender: Sender) -> int:
        """Send once what is due for a channel; return how many deliveries that was about."""
        lease = timedelta(seconds=self._terms.timeout_seconds) * 2 + _MARGIN
        now = self._clock()
        with self._database.write() as session:
            # One at a time claims for a channel: a process that lost its lead may still run.
            channel = session.get(Channel, channel_id, with_for_update=True)
            if channel is None or not channel.enabled:
                return 0
            pace = self._terms.pace_of(channel.kind, channel.options)
            claimed = outbox.claim(session, channel, pace=pace, lease=lease, now=now)
        if not claimed.rows:
            return 0
        results = self._send(channel, claimed, sender)
        with self._database.write() as session:
            known = session.get(Channel, channel_id)
            if known is not None:
                retry = self._terms.retry_of(known.kind)
                outbox.settle(session, known, results, retry=retry, now=self._clock())
        return len(claimed.rows)

    def _send(self, channel: Channel, claimed: Claimed, sender: Sender) -> list[Result]:
        try:
            target = target_of(channel, self._terms)
        except SecretMissing as missing:
            return _all_failed(claimed, str(missing))
        if claimed.together:
            first, *_ = claimed.rows

            def together() -> Message:
                return digest([from_json(row.message) for row in claimed.rows])

            outcome = self._try(target, channel, first, together, sender)
            attempts = max(row.attempts for row in claimed.rows)
            return [Result(first.id, attempts, outcome, together=True)]
        return self._send_each(target, channel, claimed.rows, sender)

    def _send_each(
        self, target: Target, channel: Channel, rows: Sequence[Delivery], sender: Sender
    ) -> list[Result]:
        results: list[Result] = []
        held: set[tuple[str, str]] = set()
        latest = self._clock() + timedelta(seconds=self._terms.timeout_seconds)
        for row in rows:
            subject = (row.subject_kind, row.subject_id)
            # A slow receiver gets fewer at once, or the claim would run out under the last.
            if subject in held or self._stopping.is_set() or self._clock() > latest:
                results.append(Result(row.id, row.attempts, None))
                continue
            outcome = self._try(target, channel, row, partial(from_json, row.message), sender)
            if outcome.error is not None:
                held.add(subject)
            results.append(Result(row.id, row.attempts, outcome))
        return results

    def _try(
        self,
        target: Target,
        channel: Channel,
        row: Delivery,
        make: Callable[[], Message],
        sender: Sender,
    ) -> Outcome:
        try:
            now = self._clock()
            outcome = sender.send(target, make(), message_id=f"gpu-{row.id}", now=now)
        except Exception as bug:  # one message that cannot be made must not hold up the others
            log.exception("GPU notification %s cannot be made", row.id)
            outcome = Outcome(f"it cannot be made: {type(bug).__name__}", lasts=True)
        ended = "sent" if outcome.error is None else "failed"
        ATTEMPTS.labels(channel.kind.value, ended).inc()
        if outcome.error is not None:
            log.warning("GPU notification %s to %s failed: %s", row.id, channel.name, outcome.error)
        return outcome


def _all_failed(claimed: Claimed, why: str) -> list[Result]:
    outcome = Outcome(why, lasts=True)
    if claimed.together:
        first, *_ = claimed.rows
        return [Result(first.id, first.attempts, outcome, together=True)]
    return [Result(row.id, row.attempts, outcome) for row in claimed.rows]
