"""What we need of a Kubernetes cluster, and how it may fail.

Objects are what the API server writes, as JSON mappings: the parsers beside this file turn each
into a small value once. Two implementations: `live.LiveCluster`, and `memory.MemoryCluster` for the
simulator and for tests.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol

Json = Mapping[str, Any]
"""An object as the API server writes it."""


@dataclass(frozen=True, slots=True)
class KindSpec:
    """Where the objects of a kind are found."""

    group: str
    version: str
    kind: str
    plural: str
    is_namespaced: bool


class Kind(Enum):
    """The kinds we read or write."""

    NODE = KindSpec("", "v1", "Node", "nodes", is_namespaced=False)
    POD = KindSpec("", "v1", "Pod", "pods", is_namespaced=True)
    SLICE = KindSpec(
        "resource.k8s.io", "v1", "ResourceSlice", "resourceslices", is_namespaced=False
    )
    CLAIM = KindSpec("resource.k8s.io", "v1", "ResourceClaim", "resourceclaims", is_namespaced=True)
    ALLOCATION = KindSpec(
        "gpu.company.com", "v1", "GpuAllocation", "gpuallocations", is_namespaced=True
    )
    PROFILE = KindSpec("kubeflow.org", "v1", "Profile", "profiles", is_namespaced=False)
    EVENT = KindSpec("", "v1", "Event", "events", is_namespaced=True)
    CONFIG_MAP = KindSpec("", "v1", "ConfigMap", "configmaps", is_namespaced=True)
    NODE_USE = KindSpec("metrics.k8s.io", "v1beta1", "NodeMetrics", "nodes", is_namespaced=False)
    POD_USE = KindSpec("metrics.k8s.io", "v1beta1", "PodMetrics", "pods", is_namespaced=True)


@dataclass(frozen=True, slots=True)
class Listed:
    """Every object of a kind at one moment, and the version that a watch goes on from."""

    objects: Sequence[Json]
    version: str


@dataclass(frozen=True, slots=True)
class Page:
    """Some of the objects of a kind; the version is that of the whole list."""

    objects: Sequence[Json]
    version: str


@dataclass(frozen=True, slots=True)
class Change:
    """One object that appeared, changed, or is gone."""

    is_gone: bool
    object: Json


class ClusterAway(ConnectionError):
    """The cluster does not answer, or not now: try again, and believe nothing new meanwhile."""


class ClusterForbids(PermissionError):
    """We may not do that: a rule of the cluster's RBAC is missing."""


class ObjectGone(LookupError):
    """There is no such object, or no such namespace."""


class KindUnknown(LookupError):
    """The cluster does not serve this kind at all: that says nothing about objects of it."""


class ObjectExists(ValueError):
    """An object of that name is there already."""


class ObjectRefused(ValueError):
    """The cluster will never accept this: it is invalid, or a policy denies it."""


class EvictionDelayed(RuntimeError):
    """A PodDisruptionBudget allows no eviction now."""


class VersionTooOld(LookupError):
    """The cluster no longer knows what followed that version (410 Gone): list again."""


class Cluster(Protocol):
    """A Kubernetes cluster.

    Every method may raise `ClusterAway`, `ClusterForbids` and `KindUnknown`.
    """

    def ping(self) -> None:
        """Ask the cheapest question there is, to see that the cluster answers."""
        ...

    def list(self, kind: Kind) -> Listed:
        """Return every object of a kind.

        Raises:
            KindUnknown: the cluster does not serve the kind.
        """
        ...

    def pages(self, kind: Kind) -> Iterator[Page]:
        """Yield every object of a kind a page at a time; at least one page, maybe an empty one.

        Raises:
            KindUnknown: the cluster does not serve the kind.
            VersionTooOld: reading took so long that the rest of the list is gone.
        """
        ...

    def watch(self, kind: Kind, since: str) -> Iterator[Change]:
        """Yield what changed after version `since`; ends when the server closes the connection.

        Raises:
            VersionTooOld: what followed `since` is no longer known.
        """
        ...

    def get(self, kind: Kind, name: str, *, namespace: str | None = None) -> Json:
        """Return one object.

        Raises:
            ObjectGone: there is none.
        """
        ...

    def create(self, kind: Kind, manifest: Json) -> Json:
        """Create an object and return it as the cluster completed it.

        Raises:
            ObjectExists: the name is taken.
            ObjectGone: the namespace does not exist.
            ObjectRefused: it is invalid, or a policy denies it.
        """
        ...

    def delete(self, kind: Kind, name: str, *, namespace: str | None = None) -> None:
        """Ask for an object's deletion; finalizers may keep it for a while.

        Raises:
            ObjectGone: there is none.
        """
        ...

    def merge(self, kind: Kind, name: str, patch: Json, *, namespace: str | None = None) -> Json:
        """Apply a JSON merge patch to an object and return it.

        Raises:
            ObjectGone: there is none.
            ObjectRefused: the change is invalid.
        """
        ...

    def merge_status(self, kind: Kind, name: str, patch: Json, *, namespace: str) -> Json:
        """Apply a JSON merge patch to an object's status, which is apart from the rest of it.

        Raises:
            ObjectGone: there is none.
            ObjectRefused: the change is invalid.
        """
        ...

    def evict(self, pod_name: str, *, namespace: str) -> None:
        """Ask a pod to end, honouring PodDisruptionBudgets.

        Raises:
            ObjectGone: there is no such pod.
            EvictionDelayed: a budget allows none now; try again later.
        """
        ...
