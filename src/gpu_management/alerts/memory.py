"""What the evaluator remembers, in the database: so that another process goes on from there."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import bindparam, select, update
from sqlalchemy.orm import Session

from gpu_management.alerts.evaluator import Memory, Subject
from gpu_management.alerts.machine import Standing, State
from gpu_management.alerts.models import Alert, Evaluation
from gpu_management.alerts.past import Key
from gpu_management.core.database import table_of

ROW: Final = "alerts"
_TABLE: Final = table_of(Evaluation)
_OWN_LABELS: Final = frozenset({"alertname", "severity", "component"})
_NEXT: Final = (
    update(_TABLE)
    .where(_TABLE.c.name == ROW, _TABLE.c.edition == bindparam("seen"))
    .values(edition=_TABLE.c.edition + 1)
)


class MemoryStale(OSError):
    """Another process evaluated meanwhile; read what it remembers, then look again."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """What is remembered, and the edition of it that was read."""

    memory: Memory
    edition: int


def edition_of(session: Session) -> int:
    """Return the edition that is in the database; 0 before the first look."""
    return session.scalar(select(Evaluation.edition).where(Evaluation.name == ROW)) or 0


def load(session: Session) -> Remembered:
    """Return what the last look left: open alerts, and those that wait or came and went."""
    row = session.get(Evaluation, ROW, populate_existing=True)
    standings: dict[Subject, Standing] = {}
    if row is not None:
        for name, pairs, told in row.waiting:
            standings[name, _key(pairs)] = read(told)
    query = select(Alert.name, Alert.labels, Alert.standing).where(
        Alert.open_fingerprint.is_not(None)
    )
    for name, labels, told in session.execute(query):
        pairs = [pair for pair in sorted(labels.items()) if pair[0] not in _OWN_LABELS]
        standings[name, _key(pairs)] = read(told)
    if row is None:
        return Remembered(Memory(None, standings), 0)
    return Remembered(Memory(row.evaluated_at, standings), row.edition)


def keep(session: Session, memory: Memory, *, seen: int) -> int:
    """Write what is remembered beside the open alerts; return the new edition.

    Raises:
        MemoryStale: somebody wrote another edition than `seen`.
    """
    if seen == 0 and session.get(Evaluation, ROW) is None:
        session.add(Evaluation(name=ROW, edition=0, evaluated_at=None, waiting=[]))
        session.flush()
    if session.connection().execute(_NEXT, {"seen": seen}).rowcount != 1:
        raise MemoryStale(f"edition {seen} of what the evaluator remembers is not the last one")
    waiting = [
        [name, [list(pair) for pair in key], written(standing)]
        for (name, key), standing in memory.standings.items()
        if standing.state is not State.FIRING
    ]
    change = update(_TABLE).where(_TABLE.c.name == ROW)
    session.connection().execute(change.values(evaluated_at=memory.at, waiting=waiting))
    return seen + 1


def written(standing: Standing) -> dict[str, Any]:
    """Return a standing as JSON."""
    unknown = standing.unknown_since
    return {
        "state": standing.state.value,
        "since": standing.since.isoformat(),
        "watched": standing.watched_seconds,
        "fires": [at.isoformat() for at in standing.fires],
        "unknown": None if unknown is None else unknown.isoformat(),
    }


def read(told: Mapping[str, Any]) -> Standing:
    """Return a standing as it was written."""
    unknown = told["unknown"]
    return Standing(
        State(told["state"]),
        datetime.fromisoformat(told["since"]),
        watched_seconds=told["watched"],
        fires=tuple(datetime.fromisoformat(at) for at in told["fires"]),
        unknown_since=None if unknown is None else datetime.fromisoformat(unknown),
    )


def _key(pairs: Sequence[Sequence[str]]) -> Key:
    return tuple((label, value) for label, value in pairs)
