"""Follow the outbox: one query a second for a whole process, however many listen."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from sqlalchemy.exc import SQLAlchemyError

from gpu_management.core.clock import Clock
from gpu_management.core.database import Database
from gpu_management.core.logs import get_logger
from gpu_management.events import schemas, service
from gpu_management.events.filters import Interest, settled
from gpu_management.events.models import Event

POLL_SECONDS = 1.0
READ_AT_ONCE = 500
MAX_WAITING = 1000
"""Events kept for a listener that reads slowly; then it has to come again."""

log = get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Published:
    """An event as it goes out, serialised once for all listeners."""

    id: int
    type: str
    team: str | None
    namespace: str | None
    payload: str

    def is_for(self, interest: Interest) -> bool:
        """Return whether a listener with this interest gets it."""
        return interest.wants(self.type, team=self.team, namespace=self.namespace)


@dataclass(eq=False, slots=True)
class _Listener:
    interest: Interest
    # None ends the stream: it was too slow, or the process ends.
    waiting: asyncio.Queue[Published | None] = field(
        default_factory=lambda: asyncio.Queue(MAX_WAITING + 1)
    )

    def offer(self, found: Published) -> bool:
        if self.waiting.qsize() >= MAX_WAITING:
            return False
        self.waiting.put_nowait(found)
        return True


class Broadcaster:
    """Reads the outbox while anybody listens, and hands each listener what it wants.

    A listener names the last event it saw and misses nothing: what came since is read from the
    database up to where the common reading stands, and from there on it gets what all get.
    """

    def __init__(
        self, database: Database, clock: Clock, *, poll_seconds: float = POLL_SECONDS
    ) -> None:
        """Follow the outbox of `database`, asking every `poll_seconds`."""
        self._database = database
        self._clock = clock
        self._poll_seconds = poll_seconds
        self._listeners: set[_Listener] = set()
        self._position = 0
        self._reading: asyncio.Task[None] | None = None
        self._starting = asyncio.Lock()

    async def listen(self, interest: Interest, *, after: int | None) -> AsyncGenerator[Published]:
        """Yield what `interest` wants after event `after`, without end; None starts now."""
        await self._start()
        listener = _Listener(interest)
        joined_at = self._position
        self._listeners.add(listener)
        try:
            seen = joined_at
            if after is not None:
                seen = min(after, await asyncio.to_thread(self._newest))
                async for found in self._catch_up(interest, seen, until=joined_at):
                    yield found
            while (live := await listener.waiting.get()) is not None:
                if live.id > seen:
                    yield live
        finally:
            self._listeners.discard(listener)
            self._stop_when_alone()

    def close(self) -> None:
        """End every stream, so that the process can."""
        for listener in list(self._listeners):
            self._drop(listener)

    async def _start(self) -> None:
        async with self._starting:
            if self._reading is None or self._reading.done():
                self._position = await asyncio.to_thread(self._settled_position)
                self._reading = asyncio.create_task(self._read_on())

    def _stop_when_alone(self) -> None:
        if not self._listeners and self._reading is not None:
            self._reading.cancel()
            self._reading = None

    async def _read_on(self) -> None:
        try:
            while True:
                found = await self._read_if_possible()
                for event in found:
                    self._publish(event)
                if len(found) < READ_AT_ONCE:
                    await asyncio.sleep(self._poll_seconds)
        finally:
            self.close()

    async def _read_if_possible(self) -> Sequence[Published]:
        # The database may be away for a while; listeners stay and get everything later.
        try:
            return await asyncio.to_thread(self._read)
        except SQLAlchemyError as failed:
            log.warning("GPU events cannot be read", why=str(failed).splitlines()[0])
            return ()

    def _publish(self, event: Published) -> None:
        self._position = event.id
        for listener in list(self._listeners):
            if event.is_for(listener.interest) and not listener.offer(event):
                self._drop(listener)

    def _drop(self, listener: _Listener) -> None:
        self._listeners.discard(listener)
        with suppress(asyncio.QueueFull):
            listener.waiting.put_nowait(None)

    async def _catch_up(
        self, interest: Interest, after: int, *, until: int
    ) -> AsyncGenerator[Published]:
        while after < until:
            found = await asyncio.to_thread(self._missed, interest, after, until)
            for event in found:
                yield event
            if len(found) < READ_AT_ONCE:
                return
            after = found[-1].id

    def _missed(self, interest: Interest, after: int, until: int) -> Sequence[Published]:
        with self._database.read() as session:
            rows = service.since(
                session, after, limit=READ_AT_ONCE, interest=interest, until_id=until
            )
            return [_published(row) for row in rows]

    def _read(self) -> Sequence[Published]:
        with self._database.read() as session:
            rows = service.since(session, self._position, limit=READ_AT_ONCE)
            return [
                _published(row) for row in settled(rows, after=self._position, now=self._clock())
            ]

    def _newest(self) -> int:
        with self._database.read() as session:
            return service.newest_id(session)

    def _settled_position(self) -> int:
        """Return where reading starts: before whatever may still be committed late."""
        with self._database.read() as session:
            rows = service.since(
                session, service.newest_id(session) - READ_AT_ONCE, limit=READ_AT_ONCE
            )
            if not rows:
                return 0
            first = rows[0].id - 1
            quiet = settled(rows, after=first, now=self._clock())
            return quiet[-1].id if quiet else first


def _published(row: Event) -> Published:
    payload = schemas.Event.model_validate(row).model_dump_json(by_alias=True)
    return Published(row.id, row.type, row.team, row.namespace, payload)
