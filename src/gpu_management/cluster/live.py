"""A real cluster, through lightkube; the only file that knows it."""

import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any, NoReturn

import httpx2

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
    ObjectRefused,
    Page,
    VersionTooOld,
)

PAGE = 500
"""Objects of one page of a list."""
WATCH_SECONDS = 240
"""How long the server keeps one watch connection; then it is opened anew where it ended."""
TIMEOUT_SECONDS = 10.0

_VERBS = ["delete", "get", "list", "patch", "post", "put", "watch", "global_list", "global_watch"]

_KEEP_ALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3),
)


class ConnectionUnusable(Exception):
    """The settings do not lead to a cluster: no such file or context, or no service account."""


class LiveCluster:
    """The cluster of a kubeconfig's context, or the one this process runs in."""

    def __init__(self, kubeconfig: Path | None = None, context: str | None = None) -> None:
        """Read the configuration; nothing is asked of the cluster yet. No file: in-cluster.

        Raises:
            ConnectionUnusable: the configuration cannot be read, or lightkube is not installed.
        """
        try:
            from lightkube import ConfigError, KubeConfig
        except ImportError as missing:
            raise ConnectionUnusable(
                "a cluster needs the extra k8s: pip install 'k8s-gpu-management[k8s]'"
            ) from missing
        try:
            if kubeconfig is None:
                self._config = KubeConfig.from_service_account().get()
            else:
                self._config = KubeConfig.from_file(kubeconfig).get(context)
            self._client = self._connect()
        except (ConfigError, KeyError, OSError, ValueError, AssertionError) as unusable:
            place = kubeconfig or "the service account of this pod"
            raise ConnectionUnusable(f"no cluster to be found in {place}: {unusable}") from unusable
        self._kinds = {kind: _resource(kind) for kind in Kind}

    def _connect(self) -> Any:
        from lightkube import Client

        timeout = httpx2.Timeout(TIMEOUT_SECONDS)
        transport = _transport(self._config)
        return Client(self._config, timeout=timeout, trust_env=False, transport=transport)

    def close(self) -> None:
        """Close its connections."""
        self._client.close()

    def ping(self) -> None:
        """Read one node."""
        with _translated("read a node"):
            next(iter(self._client.list(self._kinds[Kind.NODE], chunk_size=1)), None)

    def list(self, kind: Kind) -> Listed:
        """Return every object of a kind, read in pages."""
        pages = [*self.pages(kind)]
        return Listed([thing for page in pages for thing in page.objects], pages[-1].version)

    def pages(self, kind: Kind) -> Iterator[Page]:
        """Yield every object of a kind a page at a time: one page is in memory, not all of them."""
        with _translated(f"list {kind.value.plural}"):
            found = self._client.list(self._kinds[kind], chunk_size=PAGE, **_everywhere(kind))
            objects = [*islice(found, PAGE)]
            while True:
                yield Page(objects, _version(found))
                if len(objects) < PAGE:
                    return
                objects = [*islice(found, PAGE)]

    def watch(self, kind: Kind, since: str) -> Iterator[Change]:
        """Yield changes; a connection that the server closed is opened again where it ended."""
        # A client of its own: lightkube leaves the connection of a refused watch open.
        with _translated(f"watch {kind.value.plural}"), closing(self._connect()) as client:
            found = client.watch(
                self._kinds[kind],
                resource_version=since,
                server_timeout=WATCH_SECONDS,
                **_everywhere(kind),
            )
            for what, thing in found:
                yield Change(what == "DELETED", thing)

    def get(self, kind: Kind, name: str, *, namespace: str | None = None) -> Json:
        """Return one object."""
        with _translated(f"get {kind.value.kind} {name}"):
            found: Json = self._client.get(self._kinds[kind], name, **_in(namespace))
            return found

    def create(self, kind: Kind, manifest: Json) -> Json:
        """Create an object."""
        metadata = manifest["metadata"]
        with _translated(f"create {kind.value.kind} {metadata['name']}"):
            thing = self._kinds[kind](manifest)
            made: Json = self._client.create(thing, **_in(metadata.get("namespace")))
            return made

    def delete(self, kind: Kind, name: str, *, namespace: str | None = None) -> None:
        """Ask for an object's deletion."""
        with _translated(f"delete {kind.value.kind} {name}"):
            self._client.delete(self._kinds[kind], name, **_in(namespace))

    def merge(self, kind: Kind, name: str, patch: Json, *, namespace: str | None = None) -> Json:
        """Apply a JSON merge patch."""
        from lightkube.types import PatchType

        with _translated(f"patch {kind.value.kind} {name}"):
            changed: Json = self._client.patch(
                self._kinds[kind], name, patch, patch_type=PatchType.MERGE, **_in(namespace)
            )
            return changed

    def merge_status(self, kind: Kind, name: str, patch: Json, *, namespace: str) -> Json:
        """Apply a JSON merge patch through the status subresource."""
        from lightkube.types import PatchType

        with _translated(f"patch the status of {kind.value.kind} {name}"):
            changed: Json = self._client.patch(
                _status(kind), name, patch, patch_type=PatchType.MERGE, namespace=namespace
            )
            return changed

    def evict(self, pod_name: str, *, namespace: str) -> None:
        """Ask a pod to end through the Eviction API."""
        from lightkube.models.meta_v1 import ObjectMeta
        from lightkube.resources.core_v1 import Pod

        wish = Pod.Eviction(metadata=ObjectMeta(name=pod_name, namespace=namespace))
        try:
            with _translated(f"evict pod {pod_name}"):
                self._client.create(wish, pod_name, namespace=namespace)
        except ClusterAway as away:
            if _is_too_early(away.__cause__):
                raise EvictionDelayed(str(away)) from away
            raise


def _is_too_early(cause: BaseException | None) -> bool:
    return (
        isinstance(cause, httpx2.HTTPStatusError)
        and cause.response.status_code == httpx2.codes.TOO_MANY_REQUESTS
    )


def _transport(config: Any) -> httpx2.HTTPTransport:
    """Return connections whose peer is asked now and then whether it lives: watches wait long."""
    from lightkube.config.client_adapter import verify_cluster

    verify = verify_cluster(config.cluster, config.user, config.abs_file, trust_env=False)
    return httpx2.HTTPTransport(verify=verify, socket_options=_KEEP_ALIVE)


def _resource(kind: Kind) -> Any:
    """Return lightkube's way to a kind, with objects as plain JSON: one parser for every form."""
    from lightkube.core.resource import ApiInfo, ResourceDef
    from lightkube.generic_resource import GenericGlobalResource, GenericNamespacedResource

    spec = kind.value
    parent = GenericNamespacedResource if spec.is_namespaced else GenericGlobalResource
    where = ResourceDef(spec.group, spec.version, spec.kind)
    return type(spec.kind, (parent,), {"_api_info": ApiInfo(where, spec.plural, _VERBS)})


def _version(pages: Any) -> str:
    """Return what a watch goes on from; measurements have no versions and cannot be watched."""
    from lightkube.core.exceptions import NotReadyError

    try:
        return str(pages.resourceVersion)
    except NotReadyError:
        return ""


def _status(kind: Kind) -> Any:
    """Return lightkube's way to the status of a kind of namespaced objects."""
    from lightkube.core.resource import ApiInfo, ResourceDef
    from lightkube.generic_resource import GenericNamespacedStatus

    spec = kind.value
    where = ResourceDef(spec.group, spec.version, spec.kind)
    info = ApiInfo(where, spec.plural, ["get", "patch", "put"], parent=where, action="status")
    return type(f"{spec.kind}Status", (GenericNamespacedStatus,), {"_api_info": info})


def _everywhere(kind: Kind) -> dict[str, Any]:
    return {"namespace": "*"} if kind.value.is_namespaced else {}


def _in(namespace: str | None) -> dict[str, Any]:
    return {} if namespace is None else {"namespace": namespace}


@contextmanager
def _translated(deed: str) -> Iterator[None]:
    """Raise what the protocol promises for what the client library says."""
    from lightkube import ApiError

    try:
        yield
    except ApiError as refused:
        status = refused.status
        code = status.code if status.code is not None else refused.response.status_code
        _raise(code, f"{deed}: {status.message}", status.reason, refused)
    except httpx2.HTTPStatusError as refused:
        if refused.response.status_code == httpx2.codes.NOT_FOUND:  # not even a Status
            raise KindUnknown(f"{deed}: the cluster does not serve this kind") from refused
        _raise(refused.response.status_code, f"{deed}: {refused}", None, refused)
    except (httpx2.HTTPError, httpx2.StreamError, OSError) as away:
        reason = str(away) or type(away).__name__
        raise ClusterAway(f"{deed}: the cluster does not answer: {reason}") from away


def _raise(code: int, message: str, reason: str | None, cause: Exception) -> NoReturn:
    kinds: dict[int, type[Exception]] = {
        401: ClusterForbids,
        403: ClusterForbids,
        404: ObjectGone,
        405: ObjectRefused,
        409: ObjectExists,
        410: VersionTooOld,
        413: ObjectRefused,
        422: ObjectRefused,
        400: ObjectRefused,
    }
    kind = kinds.get(code, ClusterAway)
    if code == httpx2.codes.NOT_FOUND and "could not find the requested resource" in message:
        kind = KindUnknown
    if code == httpx2.codes.FORBIDDEN and "is being terminated" in message:
        kind = ObjectGone  # with its namespace
    # An admission policy says 403 or 422 with a reason of its own: the request is at fault.
    if code == httpx2.codes.FORBIDDEN and "ValidatingAdmissionPolicy" in message:
        kind = ObjectRefused
    if code == httpx2.codes.CONFLICT and reason != "AlreadyExists":
        kind = ClusterAway  # somebody changed it at the same moment: read again
    raise kind(message) from cause
