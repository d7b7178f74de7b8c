"""Keep the rows of a cluster's CPU and memory in step with what is seen of it.

Only what changed is written, in small transactions: most pods stand still between two looks.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Executable, Table, bindparam, delete, insert, select, update

from gpu_management.cluster.needs import NodeRoom, PodNeeds, Use
from gpu_management.core.database import Database, table_of
from gpu_management.resources.models import ResourceNode, ResourcePod, ResourceSnapshot
from gpu_management.resources.rows import Row, Sums, node_row, pod_row, sums_by_node

ROWS_AT_ONCE = 250
"""Rows of one transaction: others get their turn between two."""

LONGEST_PAUSE = timedelta(minutes=1)
"""How long what was written is believed to stand there still."""

_Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Seen:
    """What is seen of a cluster at one moment."""

    nodes: Sequence[NodeRoom]
    pods: Sequence[PodNeeds]
    gpus: Mapping[str, int] = field(default_factory=dict)
    """GPUs by node, where that is known."""
    claimed: Mapping[str, int] = field(default_factory=dict)
    """Devices that pods have by claims, by the pods' uids."""


@dataclass(frozen=True, slots=True)
class Measured:
    """What the metrics server told; nothing of what it does not know yet."""

    nodes: Mapping[str, Use] = field(default_factory=dict)
    pods: Mapping[tuple[str, str], Use] = field(default_factory=dict)
    at: datetime | None = None
    note: str | None = None
    """Why there is nothing."""


class Recorder:
    """The rows of one cluster; runs on the leader."""

    def __init__(self, database: Database, cluster_name: str) -> None:
        """Prepare; what was written before is read with the first record."""
        self._database = database
        self._cluster_name = cluster_name
        self._nodes = _Copy(database, cluster_name, table_of(ResourceNode), ("node_name",))
        self._written_at: datetime | None = None
        pod = ("namespace", "pod_name")
        self._pods = _Copy(database, cluster_name, table_of(ResourcePod), pod)

    def record(self, seen: Seen, measured: Measured, *, now: datetime) -> int:
        """Write what changed; return how many rows that were.

        After a pause everything is read again: another process may have led meanwhile.
        """
        if self._written_at is None or now - self._written_at > LONGEST_PAUSE:
            self._nodes.forget()
            self._pods.forget()
        self._written_at = None  # if this breaks off, nobody knows what was written
        count = self._record(seen, measured, now=now)
        self._written_at = now
        return count

    def _record(self, seen: Seen, measured: Measured, *, now: datetime) -> int:
        before = self._pods.rows()
        pods: dict[_Key, Row] = {
            (needs.namespace, needs.name): pod_row(
                needs,
                measured.pods.get((needs.namespace, needs.name)),
                before.get((needs.namespace, needs.name)),
                claimed=seen.claimed.get(needs.uid, 0),
                now=now,
            )
            for needs in seen.pods
        }
        sums = sums_by_node(pods.values())
        nodes: dict[_Key, Row] = {
            (room.name,): node_row(
                room,
                sums.get(room.name, Sums()),
                measured.nodes.get(room.name),
                gpus=seen.gpus.get(room.name),
            )
            for room in seen.nodes
        }
        count = self._nodes.become(nodes) + self._pods.become(pods)
        self._note(measured, now)
        return count

    def _note(self, measured: Measured, now: datetime) -> None:
        with self._database.write() as session:
            found = session.get(ResourceSnapshot, self._cluster_name)
            if found is None:
                found = ResourceSnapshot(cluster_name=self._cluster_name, collected_at=now)
                session.add(found)
            found.collected_at = now
            found.measured_at = measured.at or found.measured_at
            found.note = None if measured.note is None else measured.note[:400]


class _Copy:
    """What is known to stand in a table for one cluster."""

    def __init__(
        self, database: Database, cluster_name: str, table: Table, key: tuple[str, ...]
    ) -> None:
        self._database = database
        self._cluster_name = cluster_name
        self._table = table
        self._key = key
        self._rows: dict[_Key, Row] | None = None

    def forget(self) -> None:
        """Read the table again before anything is compared with it."""
        self._rows = None

    def rows(self) -> dict[_Key, Row]:
        """Return the rows by their key."""
        if self._rows is None:
            left_out = {"id", "cluster_name"}
            columns = [column for column in self._table.columns if column.name not in left_out]
            query = select(*columns).where(self._table.c.cluster_name == self._cluster_name)
            with self._database.read() as session:
                found = session.connection().execute(query).mappings()
                self._rows = {tuple(row[name] for name in self._key): dict(row) for row in found}
        return self._rows

    def become(self, seen: Mapping[_Key, Row]) -> int:
        """Make the table what is `seen`; return how many rows changed."""
        known = self.rows()
        gone = [key for key in known if key not in seen]
        new = [key for key in seen if key not in known]
        changed = [key for key, row in seen.items() if key in known and known[key] != row]
        it = self._table.c
        is_it = [it.cluster_name == self._cluster_name]
        is_it += [it[name] == bindparam(f"key_{name}") for name in self._key]
        for keys in _parts(gone):
            self._run(delete(self._table).where(*is_it), [self._named(key) for key in keys])
            for key in keys:
                del known[key]
        for keys in _parts(new):
            rows = [{**seen[key], "cluster_name": self._cluster_name} for key in keys]
            self._run(insert(self._table), rows)
            known.update((key, seen[key]) for key in keys)
        for keys in _parts(changed):
            rows = [{**seen[key], **self._named(key)} for key in keys]
            self._run(update(self._table).where(*is_it), rows)
            known.update((key, seen[key]) for key in keys)
        return len(gone) + len(new) + len(changed)

    def _named(self, key: _Key) -> dict[str, str]:
        return {f"key_{name}": part for name, part in zip(self._key, key, strict=True)}

    def _run(self, statement: Executable, rows: Sequence[Mapping[str, Any]]) -> None:
        with self._database.write() as session:
            session.connection().execute(statement, rows)


def _parts(keys: Sequence[_Key]) -> Iterator[Sequence[_Key]]:
    for start in range(0, len(keys), ROWS_AT_ONCE):
        yield keys[start : start + ROWS_AT_ONCE]
