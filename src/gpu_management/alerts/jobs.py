"""The job of alerts: look, then write what changed; a look that was not written is done again."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from gpu_management.alerts import journal, memory
from gpu_management.alerts.evaluator import Found, Memory, evaluate, fingerprint_of
from gpu_management.alerts.journal import Terms
from gpu_management.alerts.machine import State
from gpu_management.alerts.measures import KEEP_SECONDS, TEMPERATURE
from gpu_management.alerts.models import Alert, Silence
from gpu_management.alerts.past import Past
from gpu_management.alerts.reading import Reader
from gpu_management.alerts.rules import RULES, Rule
from gpu_management.core.database import Database, in_parts

KEEP_EVERY: Final = timedelta(seconds=60)
"""How often waiting alerts are written down, and the figures of open ones."""


@dataclass(slots=True)
class Watch:
    """The evaluator of one process."""

    database: Database
    reader: Reader
    terms: Terms
    rules: Sequence[Rule] = RULES
    _past: Past = field(default_factory=lambda: Past(KEEP_SECONDS))
    _memory: Memory | None = None
    _edition: int = 0
    _kept_at: datetime | None = None

    def run(self, now: datetime) -> int:
        """Look once; return how many alerts began, ended, or were lost from sight.

        What the look found is remembered only when it was committed.

        Raises:
            MemoryStale: another process wrote meanwhile; the next run reads what it left.
        """
        with self.database.read() as session:
            remembered = self._remembered(session, now=now)
            told = self.reader.read(session, now=now)
            has_work = journal.has_work(session, now=now)
        self._past.add(now.timestamp(), told.columns, away=told.away)
        found = evaluate(remembered, self._past, self.rules, now=now)
        is_due = self._kept_at is None or not timedelta(0) <= now - self._kept_at < KEEP_EVERY
        if found.news or is_due or has_work:
            with self.database.write() as session:
                edition = self._write(session, found, is_due=is_due, now=now)
            if edition is not None:
                self._edition, self._kept_at = edition, now
        self._memory = found.memory
        return len(found.news)

    def _remembered(self, session: Session, *, now: datetime) -> Memory:
        """What is remembered; read anew where this process starts, or another one wrote."""
        edition = memory.edition_of(session)
        if self._memory is None or edition != self._edition:
            loaded = memory.load(session)
            self._memory, self._edition = loaded.memory, loaded.edition
            silent = [
                dict(key).get("instance", "")
                for (name, key), standing in loaded.memory.standings.items()
                if name == "GPUExporterDown" and standing.state is State.FIRING
            ]
            seen = self.reader.recall(session, silent_nodes=silent, now=now)
            self._past = Past(KEEP_SECONDS)
            self.reader.replay(session, self._past, now=now)
            self._past.recall(TEMPERATURE, seen)
        return self._memory

    def _write(self, session: Session, found: Found, *, is_due: bool, now: datetime) -> int | None:
        """Write what changed; return the new edition where what is remembered was written."""
        edition = None
        if found.news or is_due:
            edition = memory.keep(session, found.memory, seen=self._edition)
            journal.write(session, found.news, self.terms, now=now)
        if is_due:
            values = {
                fingerprint_of(name, key): value for (name, key), value in found.values.items()
            }
            journal.touch(session, values)
        session.flush()
        journal.hush(session, self.terms, now=now)
        journal.escalate(session, self.terms, now=now)
        return edition


def purge(session: Session, *, before: datetime, at_once: int) -> int:
    """Delete alerts that ended, and silences that were over, before a moment; return how many."""
    gone = 0
    for key, ended in ((Alert.id, Alert.resolved_at), (Silence.silence_id, Silence.ends_at)):
        found = session.scalars(select(key).where(ended < before).limit(at_once - gone)).all()
        for some in in_parts(found):
            session.execute(delete(key.class_).where(key.in_(some)))
        gone += len(found)
    return gone
