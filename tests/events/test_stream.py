import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

import pytest
from sqlalchemy import event

from gpu_management.core.database import Database
from gpu_management.events.filters import Interest
from gpu_management.events.stream import MAX_WAITING, Broadcaster, Published
from tests.support.apps import Hands
from tests.support.events import say

ALL = Interest()
TIMEOUT_SECONDS = 10


@pytest.fixture
def broadcaster(database: Database, clock: Hands) -> Broadcaster:
    return Broadcaster(database, clock, poll_seconds=0.01)


def _run(body: Callable[[], Awaitable[None]]) -> None:
    async def limited() -> None:
        await asyncio.wait_for(body(), TIMEOUT_SECONDS)

    asyncio.run(limited())


def _write(database: Database, *kinds: str, team: str | None = None) -> None:
    with database.write() as session:
        for kind in kinds:
            say(session, kind, team=team)


async def _take(stream: AsyncGenerator[Published], count: int) -> list[str]:
    return [(await anext(stream)).type for _ in range(count)]


async def _joined(stream: AsyncGenerator[Published]) -> asyncio.Task[Published]:
    """Start listening, and come back when it does."""

    async def first() -> Published:
        return await anext(stream)

    waiting = asyncio.create_task(first())
    await asyncio.sleep(0.2)
    return waiting


def test_a_listener_gets_what_happens_after_it_came(
    database: Database, broadcaster: Broadcaster
) -> None:
    async def body() -> None:
        _write(database, "old.event")
        async with aclosing(broadcaster.listen(ALL, after=None)) as stream:
            first = await _joined(stream)
            _write(database, "new.event", "newer.event")
            assert (await first).type == "new.event"
            assert await _take(stream, 1) == ["newer.event"]

    _run(body)


def test_a_listener_that_comes_back_misses_nothing_and_sees_nothing_twice(
    database: Database, broadcaster: Broadcaster
) -> None:
    async def body() -> None:
        _write(database, *(f"a.n{number}" for number in range(1200)))
        async with aclosing(broadcaster.listen(ALL, after=100)) as stream:
            found = await _take(stream, 1100)
            _write(database, "a.live")
            found += await _take(stream, 1)
        assert found == [*(f"a.n{number}" for number in range(100, 1200)), "a.live"]

    _run(body)


def test_a_listener_gets_only_its_types_and_its_team(
    database: Database, broadcaster: Broadcaster
) -> None:
    async def body() -> None:
        mine = Interest(("allocation.*",), "ml")
        async with aclosing(broadcaster.listen(mine, after=0)) as stream:
            first = await _joined(stream)
            _write(database, "allocation.created", team="other")
            _write(database, "device.failure")
            _write(database, "allocation.released", team="ml")
            assert (await first).type == "allocation.released"

    _run(body)


def test_a_number_from_the_future_starts_at_the_present(
    database: Database, broadcaster: Broadcaster
) -> None:
    async def body() -> None:
        async with aclosing(broadcaster.listen(ALL, after=10**17)) as stream:
            first = await _joined(stream)
            _write(database, "a.x")
            assert (await first).type == "a.x"

    _run(body)


def test_a_hundred_listeners_cost_as_many_queries_as_one(
    database: Database, broadcaster: Broadcaster, clock: Hands
) -> None:
    async def queries(listeners: int) -> int:
        slow = Broadcaster(database, clock, poll_seconds=0.25)
        streams = [slow.listen(ALL, after=None) for _ in range(listeners)]
        seen: list[str] = []
        waiting = [await asyncio.shield(_joined(stream)) for stream in streams[:1]]
        waiting += [asyncio.create_task(_first(stream)) for stream in streams[1:]]
        await asyncio.sleep(0.1)
        event.listen(database.engine, "begin", lambda _: seen.append("begin"))
        await asyncio.sleep(0.5)
        _write(database, "a.x")
        for task in waiting:
            assert (await task).type == "a.x"
        for stream in streams:
            await stream.aclose()
        return len(seen)

    async def body() -> None:
        alone = await queries(1)
        together = await queries(100)
        assert together <= alone + 2

    _run(body)


async def _first(stream: AsyncGenerator[Published]) -> Published:
    return await anext(stream)


def test_nobody_reads_when_nobody_listens(database: Database, broadcaster: Broadcaster) -> None:
    async def body() -> None:
        async with aclosing(broadcaster.listen(ALL, after=0)) as stream:
            _write(database, "a.x")
            await _take(stream, 1)
        await asyncio.sleep(0.05)
        seen: list[str] = []
        event.listen(database.engine, "begin", lambda _: seen.append("begin"))
        await asyncio.sleep(0.1)
        assert seen == []

    _run(body)


def test_a_listener_that_does_not_read_is_cut_off_and_may_resume(
    database: Database, broadcaster: Broadcaster
) -> None:
    async def body() -> None:
        async with aclosing(broadcaster.listen(ALL, after=0)) as stream:
            first = await _joined(stream)
            _write(database, *(f"a.n{number}" for number in range(MAX_WAITING + 50)))
            last = (await first).id
            await asyncio.sleep(0.5)
            async for found in stream:
                assert found.id == last + 1
                last = found.id
            assert last < MAX_WAITING + 50
        async with aclosing(broadcaster.listen(ALL, after=last)) as again:
            assert (await anext(again)).id == last + 1

    _run(body)


def test_closing_ends_every_stream(database: Database, broadcaster: Broadcaster) -> None:
    async def body() -> None:
        async with aclosing(broadcaster.listen(ALL, after=None)) as stream:
            first = await _joined(stream)
            broadcaster.close()
            with pytest.raises(StopAsyncIteration):
                await first

    _run(body)
