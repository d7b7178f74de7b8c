"""Statements sent to PostgreSQL in one piece and answered in one piece, by libpq's pipeline.

psycopg's own pipeline sends each statement for itself, which wakes the server and us as often. Here
all go out in one write, prepared once per connection. Needs connections on which psycopg prepares
nothing of its own (`prepare_threshold=None`): it would clear ours with its own after a rollback.
"""

import select
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

from psycopg import Connection, OperationalError, pq
from psycopg.adapt import PyFormat, Transformer
from psycopg.errors import error_from_result

from gpu_management.core.plans import Plan

_OUTDATED = frozenset({"0A000", "26000"})
"""A prepared statement whose tables have changed shape, or that is gone: prepare it anew."""
_NUMBERS = count()
_IDLE = pq.TransactionStatus.IDLE
_BAD = pq.ConnStatus.BAD
_SYNC = pq.ExecStatus.PIPELINE_SYNC
_TUPLES = pq.ExecStatus.TUPLES_OK
_DONE = frozenset({_TUPLES, pq.ExecStatus.COMMAND_OK})

Names = dict[Plan, bytes]
"""What a connection has prepared; kept with the connection."""


@dataclass(slots=True)
class Found:
    """The rows a statement found, or else how many it changed."""

    rows: list[Any] | None
    changed: int


@dataclass(frozen=True, slots=True)
class _Sent:
    """What one result answers: a plan being prepared (`name`) or run, or neither."""

    plan: Plan | None = None
    name: bytes | None = None


def exchange(
    driver: "Connection[Any]",
    orders: Sequence[tuple[Plan, Mapping[str, Any]]],
    *,
    names: Names,
    savepoint: str | None = None,
) -> list[Found]:
    """Run statements in the connection's transaction, begun here if need be, all in one trip.

    With `savepoint` one of that name is made before them.

    Raises:
        psycopg.Error: one failed, so those after it did not run; or the connection is lost.
    """
    adapting = Transformer(driver)
    written = [(plan, _written(adapting, plan, told)) for plan, told in orders]
    link = driver.pgconn
    try:
        link.enter_pipeline_mode()
        sent = _queue(link, written, names=names, savepoint=savepoint)
        link.pipeline_sync()
        results = _results(link)
        if link.status != _BAD:
            link.exit_pipeline_mode()
    except BaseException:
        driver.close()  # nobody knows what is on its way
        raise
    return _read(adapting, sent, results, names=names)


def _written(adapting: Any, plan: Plan, told: Mapping[str, Any]) -> Sequence[Any]:
    values = plan.values(told)
    parameters: Sequence[Any] = adapting.dump_sequence(values, [PyFormat.TEXT] * len(values))
    return parameters


def _queue(
    link: Any,
    written: Sequence[tuple[Plan, Sequence[Any]]],
    *,
    names: Names,
    savepoint: str | None,
) -> list[_Sent]:
    sent: list[_Sent] = []
    if link.transaction_status == _IDLE:
        link.send_query_params(b"BEGIN", None)
        sent.append(_Sent())
    if savepoint is not None:
        link.send_query_params(f"SAVEPOINT {savepoint}".encode(), None)
        sent.append(_Sent())
    fresh: Names = {}
    for plan, values in written:
        name = names.get(plan) or fresh.get(plan)
        if name is None:
            name = fresh[plan] = f"trip{next(_NUMBERS)}".encode()
            link.send_prepare(name, plan.text.encode())
            sent.append(_Sent(plan, name))
        link.send_query_prepared(name, values)
        sent.append(_Sent(plan))
    return sent


def _results(link: Any) -> list[Any]:
    """Send what is queued and return one result for each, fewer where the connection is lost."""
    waiting = select.poll()
    waiting.register(link.socket, select.POLLIN | select.POLLOUT)
    while link.flush():
        waiting.poll()
        link.consume_input()  # the server may have to be read from before it reads on
    waiting.modify(link.socket, select.POLLIN)
    found: list[Any] = []
    while True:
        while link.is_busy():
            waiting.poll()
            link.consume_input()
        result = link.get_result()
        if result is None:  # the end of one statement's results
            if link.status == _BAD:
                return found
        elif result.status == _SYNC:
            return found
        else:
            found.append(result)


def _read(
    adapting: Any, sent: Sequence[_Sent], results: Sequence[Any], *, names: Names
) -> list[Found]:
    found = []
    for one, result in zip(sent, results, strict=False):
        if result.status not in _DONE:
            _forget(one, result, names)
            raise error_from_result(result)
        if one.plan is None:
            continue
        if one.name is not None:
            names[one.plan] = one.name
        elif result.status == _TUPLES:
            adapting.set_pgresult(result)
            rows = one.plan.rows(adapting.load_rows(0, result.ntuples, tuple))
            found.append(Found(rows, 0))
        else:
            found.append(Found(None, result.command_tuples or 0))
    if len(results) < len(sent):
        raise OperationalError("the connection was lost on the way")
    return found


def _forget(one: _Sent, result: Any, names: Names) -> None:
    state = result.error_field(pq.DiagnosticField.SQLSTATE)
    if one.plan is not None and state is not None and state.decode() in _OUTDATED:
        names.pop(one.plan, None)
