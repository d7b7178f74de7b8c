"""A cluster in memory: what the simulator runs on, and what tests disturb.

It keeps the promises of an API server that matter here: versions that grow, watches that resume,
finalizers that hold deleted objects, names that are unique. It schedules nothing.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from itertools import count
from threading import Condition
from typing import Any
from uuid import uuid4

from gpu_management.cluster.protocol import (
    Change,
    ClusterAway,
    ClusterForbids,
    EvictionDelayed,
    Json,
    Kind,
    KindUnknown,
    Listed,
    ObjectExists,
    ObjectGone,
    Page,
    VersionTooOld,
)

_Key = tuple[Kind, str, str]
_PAGE = 2


class MemoryCluster:
    """Objects by kind, namespace and name, with a history that watches read."""

    def __init__(self) -> None:
        """Start empty, and answering."""
        self._objects: dict[_Key, dict[str, Any]] = {}
        self._history: list[tuple[int, Kind, Change]] = []
        self._versions = count(1)
        self._version = 0
        self._oldest = 0
        self._changed = Condition()
        self._connections = 0
        self.is_away = False
        self.forbidden: set[tuple[str, Kind]] = set()
        """Verbs and kinds that are refused, such as ("list", Kind.SLICE)."""
        self.protected_pods: set[str] = set()
        """Pods that a disruption budget keeps."""
        self.unknown_kinds: set[Kind] = set()

    def put(self, kind: Kind, thing: Json) -> None:
        """Write an object as whoever owns it would: created, or replaced."""
        with self._changed:
            self._store(kind, deepcopy(dict(thing)))

    def drop(self, kind: Kind, name: str, namespace: str = "") -> None:
        """Take an object away at once, whatever its finalizers say."""
        with self._changed:
            self._remove((kind, namespace, name))

    def go_away(self, *, is_away: bool = True) -> None:
        """Stop answering, or answer again; open watches break."""
        with self._changed:
            self.is_away = is_away
            self._connections += 1
            self._changed.notify_all()

    def forget_history(self) -> None:
        """Know nothing of what was: watches that resume get 410 Gone."""
        with self._changed:
            self._history.clear()
            self._oldest = self._version
            self._connections += 1
            self._changed.notify_all()

    def ping(self) -> None:
        """Answer, unless away."""
        with self._changed:
            self._check("list", Kind.NODE)

    def list(self, kind: Kind) -> Listed:
        """Return every object of a kind."""
        with self._changed:
            self._check("list", kind)
            found = [deepcopy(thing) for key, thing in self._objects.items() if key[0] is kind]
            return Listed(found, str(self._version))

    def pages(self, kind: Kind) -> Iterator[Page]:
        """Yield every object of a kind, two at a time."""
        listed = self.list(kind)
        for start in range(0, max(1, len(listed.objects)), _PAGE):
            yield Page(listed.objects[start : start + _PAGE], listed.version)

    def watch(self, kind: Kind, since: str) -> Iterator[Change]:
        """Yield changes as they come, until the connection breaks."""
        position = int(since)
        with self._changed:
            connection = self._connections
        while True:
            with self._changed:
                self._check("watch", kind)
                if connection != self._connections:
                    if position >= self._oldest:
                        return  # a broken connection: the reader resumes where it was
                    raise VersionTooOld(f"version {position} is too old")
                if position < self._oldest:
                    raise VersionTooOld(f"version {position} is too old")
                news = [entry for entry in self._history if entry[0] > position]
                if not news:
                    self._changed.wait(timeout=1.0)
                    continue
            for version, changed, change in news:
                position = version
                if changed is kind:
                    yield change

    def get(self, kind: Kind, name: str, *, namespace: str | None = None) -> Json:
        """Return one object."""
        with self._changed:
            self._check("get", kind)
            return deepcopy(self._find((kind, namespace or "", name)))

    def create(self, kind: Kind, manifest: Json) -> Json:
        """Create an object."""
        with self._changed:
            self._check("create", kind)
            key = _key(kind, manifest)
            if key in self._objects:
                raise ObjectExists(f"{kind.value.plural} {key[2]} already exists")
            return deepcopy(self._store(kind, deepcopy(dict(manifest))))

    def delete(self, kind: Kind, name: str, *, namespace: str | None = None) -> None:
        """Delete an object, or mark it while finalizers hold it."""
        with self._changed:
            self._check("delete", kind)
            key = (kind, namespace or "", name)
            thing = self._find(key)
            if thing["metadata"].get("finalizers"):
                thing["metadata"].setdefault("deletionTimestamp", "2026-01-01T00:00:00Z")
                self._store(kind, thing)
            else:
                self._remove(key)

    def merge(self, kind: Kind, name: str, patch: Json, *, namespace: str | None = None) -> Json:
        """Apply a JSON merge patch."""
        with self._changed:
            self._check("patch", kind)
            changed = _merged(self._find((kind, namespace or "", name)), patch)
            return deepcopy(self._store(kind, changed))

    def merge_status(self, kind: Kind, name: str, patch: Json, *, namespace: str) -> Json:
        """Apply a JSON merge patch to the status alone."""
        return self.merge(kind, name, {"status": patch["status"]}, namespace=namespace)

    def evict(self, pod_name: str, *, namespace: str) -> None:
        """End a pod, unless a budget keeps it."""
        with self._changed:
            self._check("evict", Kind.POD)
            self._find((Kind.POD, namespace, pod_name))
            if pod_name in self.protected_pods:
                raise EvictionDelayed(f"the disruption budget of {pod_name} allows no eviction")
            self._remove((Kind.POD, namespace, pod_name))

    def _check(self, verb: str, kind: Kind) -> None:
        if self.is_away:
            raise ClusterAway(f"{verb} {kind.value.plural}: the cluster does not answer")
        if (verb, kind) in self.forbidden:
            raise ClusterForbids(f"{verb} {kind.value.plural} is forbidden")
        if kind in self.unknown_kinds:
            raise KindUnknown(f"the cluster does not know {kind.value.plural}")

    def _find(self, key: _Key) -> dict[str, Any]:
        if key not in self._objects:
            raise ObjectGone(f"{key[0].value.plural} {key[2]} not found")
        return self._objects[key]

    def _store(self, kind: Kind, thing: dict[str, Any]) -> dict[str, Any]:
        key = _key(kind, thing)
        self._version = next(self._versions)
        metadata = thing["metadata"]
        before = self._objects.get(key)
        known = before["metadata"].get("uid") if before else None
        metadata["uid"] = known or metadata.get("uid") or str(uuid4())
        metadata["resourceVersion"] = str(self._version)
        if metadata.get("deletionTimestamp") and not metadata.get("finalizers"):
            self._remove(key)
            return thing
        self._objects[key] = thing
        self._tell(kind, Change(is_gone=False, object=deepcopy(thing)))
        return thing

    def _remove(self, key: _Key) -> None:
        thing = self._objects.pop(key, None)
        if thing is not None:
            self._version = next(self._versions)
            self._tell(key[0], Change(is_gone=True, object=thing))

    def _tell(self, kind: Kind, change: Change) -> None:
        self._history.append((self._version, kind, change))
        self._changed.notify_all()


def _key(kind: Kind, thing: Json) -> _Key:
    metadata = thing["metadata"]
    return kind, metadata.get("namespace", ""), metadata["name"]


def _merged(before: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Apply a JSON merge patch (RFC 7386)."""
    after = dict(before)
    for name, value in patch.items():
        if value is None:
            after.pop(name, None)
        elif isinstance(value, Mapping):
            inner = after.get(name)
            after[name] = _merged(inner if isinstance(inner, Mapping) else {}, value)
        else:
            after[name] = value
    return after
