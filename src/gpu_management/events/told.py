"""Log what happened, once it is committed (LOG-02 to LOG-04).

The lines wait in the session that wrote the events and go with its transaction: a rollback, of the
whole or of a savepoint, drops them. One process commits a transaction, so several replicas write
one line between them, and a request's line carries its request id. The outbox is the record; a
process that dies right after a commit leaves its event there and no line.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import structlog
from sqlalchemy import event
from sqlalchemy.orm import Session, SessionTransaction

from gpu_management.core.logs import allocation_event, get_logger, subject_event

_WAITING = "events_told"
_QUIET = "events_quiet"


@dataclass(frozen=True, slots=True)
class _Line:
    kind: str
    subject_kind: str
    subject_id: str
    fields: Mapping[str, Any]
    savepoints: tuple[SessionTransaction, ...]
    """The open savepoints it was written in: it goes with any of them."""


def tell(
    session: Session, kind: str, *, subject_kind: str, subject_id: str, data: Mapping[str, Any]
) -> None:
    """Log that `kind` happened as soon as the transaction of `session` is committed."""
    log = _logger(subject_kind)
    if session.info.get(_QUIET) or not log.isEnabledFor(_level(kind)):
        return
    fields = {
        name: value
        for name, value in data.items()
        if isinstance(value, str | int | float) and value != subject_id
    }
    line = _Line(kind, subject_kind, subject_id, fields, _savepoints(session))
    session.info.setdefault(_WAITING, []).append(line)


def keep_quiet(session: Session) -> None:
    """Write no lines about what this session does: it invents a past, or replays a trace."""
    session.info[_QUIET] = True


def _savepoints(session: Session) -> tuple[SessionTransaction, ...]:
    found = []
    one = session.get_nested_transaction()
    while one is not None and one.nested:
        found.append(one)
        one = one.parent
    return tuple(found)


@event.listens_for(Session, "after_commit")
def _write(session: Session) -> None:
    if session.in_nested_transaction():
        return
    for line in session.info.pop(_WAITING, ()):
        _logger(line.subject_kind).log(_level(line.kind), _message(line), **line.fields)


@event.listens_for(Session, "after_soft_rollback")
def _drop(session: Session, undone: SessionTransaction) -> None:
    lines = session.info.get(_WAITING)
    if lines:
        lines[:] = [line for line in lines if undone.nested and undone not in line.savepoints]


@event.listens_for(Session, "after_transaction_end")
def _forget(session: Session, ended: SessionTransaction) -> None:
    if ended.parent is None:
        session.info.pop(_WAITING, None)


def _message(line: _Line) -> str:
    action = line.kind.rpartition(".")[2]
    if line.subject_kind == "allocation":
        return allocation_event(line.subject_id, action)
    return subject_event(line.subject_kind, line.subject_id, action)


def _level(kind: str) -> int:
    return logging.WARNING if kind.endswith((".failed", ".failure")) else logging.INFO


@cache
def _logger(subject_kind: str) -> structlog.stdlib.BoundLogger:
    return get_logger(f"gpu_management.{subject_kind}s")
