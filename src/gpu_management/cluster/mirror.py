"""A copy of the cluster's objects that follows its changes: list once, then watch.

One thread per kind. A broken watch resumes at the last version seen; where the server forgot what
came after that (410 Gone) everything is listed again, because a deletion may have been missed.
While the cluster is away the copy stays as it was, and says since when.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from threading import Event, Lock, Thread
from typing import TypeVar

from gpu_management.cluster.protocol import (
    Cluster,
    ClusterAway,
    ClusterForbids,
    Json,
    Kind,
    KindUnknown,
    VersionTooOld,
)
from gpu_management.core.clock import Clock
from gpu_management.core.logs import get_logger

log = get_logger(__name__)

FIRST_WAIT_SECONDS = 0.2
LONGEST_WAIT_SECONDS = 5.0
UNKNOWN_KIND_SECONDS = 60.0
"""How often a kind that the cluster does not have is looked for again."""

_PROBE = "answers"
_Name = tuple[str, str]
_Note = TypeVar("_Note")
_Told = tuple[_Name, Json | None, object]
"""An object's name, what is kept of it, and what is noted."""


@dataclass(frozen=True, slots=True)
class Health:
    """Whether the copy is true now."""

    is_synced: bool
    """Every kind was read at least once."""
    stale_since: datetime | None
    message: str | None


class Mirror:
    """The copy; read it from any thread."""

    def __init__(
        self,
        cluster: Cluster,
        kinds: Iterable[Kind],
        *,
        clock: Clock,
        trim: Mapping[Kind, Callable[[Json], Json | None]] | None = None,
        note: Mapping[Kind, Callable[[Json], object]] | None = None,
        probe_seconds: float = 5.0,
    ) -> None:
        """Prepare; nothing is read before `start`.

        `trim` cuts objects down, or drops them. `note` makes a small value of each object, also of
        those that are dropped; None makes none.
        """
        self.changed = Event()
        """Set when anything changed; whoever acts on it clears it first."""
        self._cluster = cluster
        self._clock = clock
        self._stopped = Event()
        self._lock = Lock()
        self._troubles: dict[str, tuple[datetime, str]] = {}
        self._probe_seconds = probe_seconds
        self._stores = {
            kind: _Store(kind, (trim or {}).get(kind), (note or {}).get(kind)) for kind in kinds
        }

    def start(self) -> None:
        """Begin to follow; returns at once."""
        for kind in self._stores:
            Thread(target=self._follow, args=[kind], daemon=True, name=f"see-{kind.name}").start()
        Thread(target=self._probe, daemon=True, name="see-cluster").start()

    def stop(self) -> None:
        """End the threads as soon as their connections allow; they never outlive the process."""
        self._stopped.set()

    def objects(self, kind: Kind) -> Sequence[Json]:
        """Return the objects of a kind as last seen."""
        with self._lock:
            return [*self._stores[kind].things.values()]

    def find(self, kind: Kind, namespace: str, name: str) -> Json | None:
        """Return one object as last seen, or None."""
        with self._lock:
            return self._stores[kind].things.get((namespace, name))

    def notes(self, kind: Kind, form: type[_Note]) -> Sequence[_Note]:
        """Return what was noted of the objects of a kind."""
        with self._lock:
            noted = [*self._stores[kind].notes.values()]
        return [one for one in noted if isinstance(one, form)]

    def health(self) -> Health:
        """Say whether the copy is complete and true."""
        with self._lock:
            synced = all(store.version is not None for store in self._stores.values())
            if not self._troubles:
                return Health(synced, None, None)
            since, message = min(self._troubles.values())
            return Health(synced, since, message)

    def edition(self, *kinds: Kind) -> int:
        """Return a number that grows with every change of these kinds, after trimming."""
        with self._lock:
            return sum(self._stores[kind].edition for kind in kinds)

    def is_known(self, kind: Kind) -> bool:
        """Say whether the cluster has this kind at all."""
        with self._lock:
            return self._stores[kind].version != ""

    def wait_synced(self, seconds: float) -> bool:
        """Wait until every kind was read once; say whether that happened in time."""
        ends = time.monotonic() + seconds
        while not self.health().is_synced and time.monotonic() < ends:
            self._stopped.wait(0.02)
        return self.health().is_synced

    def _follow(self, kind: Kind) -> None:
        wait = FIRST_WAIT_SECONDS
        while not self._stopped.is_set():
            try:
                self._read(kind)
                wait = FIRST_WAIT_SECONDS
            except VersionTooOld:
                self._stores[kind].must_list = True
            except KindUnknown:
                self._none_of(kind)
                self._stopped.wait(UNKNOWN_KIND_SECONDS)
            except (ClusterAway, ClusterForbids) as trouble:
                self._trouble(kind.name, str(trouble))
                self._stopped.wait(wait)
                wait = min(wait * 2, LONGEST_WAIT_SECONDS)
            except Exception as bug:
                # A follower that ends would look like a cluster in which nothing happens.
                log.exception("GPU cluster follower of %s broke off", kind.name)
                self._stores[kind].must_list = True
                self._trouble(kind.name, f"cannot be understood: {bug}")
                self._stopped.wait(LONGEST_WAIT_SECONDS)

    def _probe(self) -> None:
        """Notice a cluster that says nothing: an idle watch looks the same."""
        while not self._stopped.wait(self._probe_seconds):
            try:
                self._cluster.ping()
                self._fine(_PROBE)
            except (ClusterAway, ClusterForbids) as trouble:
                self._trouble(_PROBE, str(trouble))

    def _read(self, kind: Kind) -> None:
        store = self._stores[kind]
        if store.must_list:
            told: list[_Told] = []
            version = ""
            for page in self._cluster.pages(kind):  # each page is cut down before the next one
                told += [store.tell(thing) for thing in page.objects]
                version = page.version
            with self._lock:
                store.replace(told, version)
            self.changed.set()
        elif kind.name in self._troubles:
            self._cluster.ping()
        self._fine(kind.name)
        assert store.version is not None  # noqa: S101 - it was listed
        for change in self._cluster.watch(kind, store.version):
            if self._stopped.is_set():
                return
            with self._lock:
                store.apply(change.object, is_gone=change.is_gone)
            self.changed.set()
            self._fine(kind.name)

    def _none_of(self, kind: Kind) -> None:
        with self._lock:
            self._stores[kind].replace([], "")
            self._stores[kind].must_list = True
        self._fine(kind.name)
        self.changed.set()

    def _fine(self, what: str) -> None:
        with self._lock:
            trouble = self._troubles.pop(what, None)
        if trouble is not None:
            log.info("GPU cluster can be followed again (%s), after %s", what, trouble[0])
            self.changed.set()

    def _trouble(self, what: str, message: str) -> None:
        with self._lock:
            is_new = what not in self._troubles
            since = self._troubles.get(what, (self._clock(), ""))[0]
            self._troubles[what] = (since, message)
        if is_new:
            log.warning("GPU cluster cannot be followed: %s", message)
            self.changed.set()


class _Store:
    """The objects of one kind."""

    def __init__(
        self,
        kind: Kind,
        trim: Callable[[Json], Json | None] | None,
        note: Callable[[Json], object] | None,
    ) -> None:
        self.kind = kind
        self.trim = trim
        self.note = note
        self.things: dict[_Name, Json] = {}
        self.notes: dict[_Name, object] = {}
        self.version: str | None = None
        self.must_list = True
        self.edition = 0

    def tell(self, thing: Json) -> _Told:
        """Return what is kept of an object."""
        return _name(thing), self._trimmed(thing), self._noted(thing)

    def replace(self, told: Sequence[_Told], version: str) -> None:
        self.things = {name: kept for name, kept, _noted in told if kept is not None}
        self.notes = {name: noted for name, _kept, noted in told if noted is not None}
        self.version = version
        self.must_list = False
        self.edition += 1

    def apply(self, thing: Json, *, is_gone: bool) -> None:
        name, kept = _name(thing), None if is_gone else self._trimmed(thing)
        noted = None if is_gone else self._noted(thing)
        if self.things.get(name) != kept:
            self.edition += 1
        _put(self.things, name, kept)
        _put(self.notes, name, noted)
        self.version = str(thing["metadata"]["resourceVersion"])

    def _noted(self, thing: Json) -> object:
        return None if self.note is None else self.note(thing)

    def _trimmed(self, thing: Json) -> Json | None:
        return thing if self.trim is None else self.trim(thing)


def _name(thing: Json) -> _Name:
    metadata = thing["metadata"]
    return metadata.get("namespace", ""), metadata["name"]


def _put(store: dict[_Name, _Note], name: _Name, value: _Note | None) -> None:
    if value is None:
        store.pop(name, None)
    else:
        store[name] = value
