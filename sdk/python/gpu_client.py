"""Python client of the k8s-gpu-management API.

    with GPUManagementClient("http://127.0.0.1:8080") as client:
        with client.allocated({"namespace": "ml", "podName": "train", "workloadType": "Training",
                               "requiredMemoryGb": 40}) as allocation:
            train_on(allocation["allocatedResource"])

Objects come as the JSON that the server writes (camelCase); the OpenAPI document lists the fields.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote
from uuid import uuid4

import httpx2
import stamina

__all__ = ["GPUManagementClient", "GpuApiError", "GpuNotAvailable", "GpuUnreachable"]

LONGEST_PAUSE_SECONDS = 10.0
LONGEST_WAIT_SECONDS = 60
"""How long the server holds one answer back at most."""

_GPU = "/api/v1/gpu"
_ADMIN = "/api/v1/admin"
_REPEATABLE = frozenset({"GET", "PUT", "DELETE"})
_BUSY = 503

Json = dict[str, Any]


class GpuApiError(Exception):
    """The server refused: `status`, `code`, `detail`, `refusals` and the whole `problem`."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        """Keep the problem document (RFC 9457)."""
        self.status = status
        self.problem = dict(problem)
        self.code = str(problem.get("code", ""))
        self.detail = str(problem.get("detail") or f"the server answered {status}")
        self.refusals: list[Json] = list(problem.get("refusals") or ())
        super().__init__(f"{self.code or status}: {self.detail}")


class GpuNotAvailable(GpuApiError):
    """Nothing fits now; `refusals` says what each class of candidates lacked."""


class GpuUnreachable(ConnectionError):
    """Nobody answered, after the retries."""


class GPUManagementClient:
    """Talks to one control plane; safe to share between threads."""

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        timeout_seconds: float = 30.0,
        attempts: int = 4,
        transport: httpx2.BaseTransport | None = None,
    ) -> None:
        """Connect lazily. `attempts` counts the first one; `transport` replaces the network."""
        headers = {"User-Agent": "gpu-client-python", "X-GPU-Envelope": "false"}
        if api_key:
            headers["Authorization"] = f"Bearer {api_key}"
        self.base_url = base_url.rstrip("/")
        self._timeout_seconds = timeout_seconds
        self._attempts = attempts
        self._http = httpx2.Client(
            base_url=self.base_url,
            headers=headers,
            timeout=httpx2.Timeout(timeout_seconds, connect=min(timeout_seconds, 5.0)),
            transport=transport,
        )

    def __enter__(self) -> Self:
        """Return the client."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    # The guide's five methods

    def get_gpu_devices(self, node_name: str | None = None) -> list[Json]:
        """Return the GPUs, of one node or of the fleet."""
        return self._list(f"{_GPU}/devices", nodeName=node_name)

    def allocate_gpu(self, allocation_request: Json) -> Json:
        """Take GPUs; the answer holds `allocationId`, `allocatedResource` and `costPerHour`.

        Repeated on a broken connection under one Idempotency-Key, so that it never takes twice.

        Raises:
            GpuNotAvailable: nothing fits now.
        """
        return self._object(
            "POST", f"{_GPU}/allocations", body=allocation_request, once=str(uuid4())
        )

    def release_gpu(self, allocation_id: str) -> None:
        """Give GPUs back; a repeated release is no error."""
        self._call("DELETE", _under(f"{_GPU}/allocations", allocation_id))

    def get_cluster_overview(self) -> Json:
        """Return the fleet in one answer."""
        return self._object("GET", f"{_GPU}/overview")

    def get_cost_analysis(self, days: int = 30) -> Json:
        """Return what was spent in the last `days` days."""
        return self._object("GET", f"{_GPU}/cost/analysis", query={"days": days})

    # Allocations

    @contextmanager
    def allocated(self, allocation_request: Json) -> Iterator[Json]:
        """Hold GPUs for the length of a `with` block."""
        allocation = self.allocate_gpu(allocation_request)
        try:
            yield allocation
        finally:
            self.release_gpu(allocation["allocationId"])

    def allocate_gpus(self, requests: Sequence[Json]) -> list[Json]:
        """Take several at once: all of them, or none."""
        answer = self._call("POST", f"{_GPU}/allocations/bulk", body={"requests": list(requests)})
        found: list[Json] = answer.json()
        return found

    def simulate_allocation(self, allocation_request: Json) -> Json:
        """Return whether a request would fit now, where and at what price."""
        return self._object("POST", f"{_GPU}/allocations/simulate", body=allocation_request)

    def list_allocations(self, **filters: object) -> list[Json]:
        """Return allocations, newest first; filter by phase, namespace, podName, teamId and so on."""
        return self._list(f"{_GPU}/allocations", **filters)

    def get_allocation(
        self, allocation_id: str, *, wait_for: str | None = None, wait_seconds: int = 30
    ) -> Json:
        """Return one allocation; `wait_for` Allocated, Enforced or Released waits for that."""
        query: dict[str, object] = {}
        if wait_for is not None:
            query = {"waitFor": wait_for, "waitSeconds": min(wait_seconds, LONGEST_WAIT_SECONDS)}
        path = _under(f"{_GPU}/allocations", allocation_id)
        return self._object("GET", path, query=query, longer_seconds=wait_seconds)

    def extend_allocation(self, allocation_id: str, hours: int) -> Json:
        """Let an allocation run `hours` longer."""
        path = _under(f"{_GPU}/allocations", allocation_id, "extend")
        return self._object("POST", path, body={"hours": hours})

    # Inventory

    def get_gpu_device(self, device_id: str) -> Json:
        """Return one GPU with its holders, slices and price."""
        return self._object("GET", _under(f"{_GPU}/devices", device_id))

    def register_device(self, device: Json) -> Json:
        """Put a GPU into the fleet; an unknown node is created with it."""
        return self._object("POST", f"{_GPU}/devices", body=device)

    def update_device(self, device_id: str, changes: Json) -> Json:
        """Change what is told about a GPU."""
        return self._object("PUT", _under(f"{_GPU}/devices", device_id), body=changes)

    def delete_device(self, device_id: str) -> None:
        """Take a GPU out of the fleet."""
        self._call("DELETE", _under(f"{_GPU}/devices", device_id))

    def get_device_health(self, device_id: str) -> Json:
        """Return what is known about a GPU's health."""
        return self._object("GET", _under(f"{_GPU}/devices", device_id, "health"))

    def get_device_history(self, device_id: str) -> list[Json]:
        """Return when a GPU was available and when not."""
        return self._list(_under(f"{_GPU}/devices", device_id, "history"))

    def set_device_state(self, device_id: str, state: str, reason: str) -> None:
        """Report a GPU as READY, FAILED, OFFLINE or MAINTENANCE."""
        path = _under(f"{_GPU}/devices", device_id, "state")
        self._call("POST", path, body={"state": state, "reason": reason})

    def start_maintenance(self, device_id: str, reason: str = "maintenance") -> None:
        """Place nothing new on a GPU."""
        path = _under(f"{_GPU}/devices", device_id, "maintenance")
        self._call("POST", path, body={"reason": reason})

    def end_maintenance(self, device_id: str) -> None:
        """Let a GPU work again."""
        self._call("DELETE", _under(f"{_GPU}/devices", device_id, "maintenance"))

    def list_nodes(self) -> list[Json]:
        """Return the nodes with their capacity."""
        return self._list(f"{_GPU}/nodes")

    def get_node(self, node_name: str) -> Json:
        """Return a node with its GPUs."""
        return self._object("GET", _under(f"{_GPU}/nodes", node_name))

    def update_node(self, node_name: str, changes: Json) -> None:
        """Change what is told about a node."""
        self._call("PUT", _under(f"{_GPU}/nodes", node_name), body=changes)

    def cordon_node(self, node_name: str, reason: str = "maintenance") -> None:
        """Place nothing new on a node."""
        path = _under(f"{_GPU}/nodes", node_name, "maintenance")
        self._call("POST", path, body={"reason": reason})

    def uncordon_node(self, node_name: str) -> None:
        """Place on a node again."""
        self._call("DELETE", _under(f"{_GPU}/nodes", node_name, "maintenance"))

    def list_models(self) -> list[Json]:
        """Return the GPU models that are known."""
        return self._list(f"{_GPU}/models")

    def get_statistics(self) -> Json:
        """Return the devices in figures."""
        return self._object("GET", f"{_GPU}/statistics")

    # MIG

    def list_mig_profiles(self, **filters: object) -> list[Json]:
        """Return the MIG profiles; filter by modelId or deviceId."""
        return self._list(f"{_GPU}/mig/profiles", **filters)

    def list_mig_instances(self, **filters: object) -> list[Json]:
        """Return the slices; filter by deviceId, profile or status."""
        return self._list(f"{_GPU}/mig/instances", **filters)

    def enable_mig(self, device_id: str) -> None:
        """Switch MIG mode on."""
        self._call("POST", _under(f"{_GPU}/devices", device_id, "mig"))

    def disable_mig(self, device_id: str) -> None:
        """Switch MIG mode off."""
        self._call("DELETE", _under(f"{_GPU}/devices", device_id, "mig"))

    def create_mig_instance(self, device_id: str, profile: str, start: int | None = None) -> Json:
        """Carve a slice; without `start` at the first legal place."""
        body: Json = {"profile": profile} if start is None else {"profile": profile, "start": start}
        return self._object(
            "POST", _under(f"{_GPU}/devices", device_id, "mig", "instances"), body=body
        )

    def destroy_mig_instance(self, mig_id: str) -> None:
        """Destroy an idle slice."""
        self._call("DELETE", _under(f"{_GPU}/mig/instances", mig_id))

    def apply_mig_layout(
        self, device_id: str, placements: Sequence[Json], *, dry_run: bool = False
    ) -> Json:
        """Give a GPU a layout; slices in use are never touched."""
        path = _under(f"{_GPU}/devices", device_id, "mig", "layout")
        body = {"placements": list(placements), "dryRun": dry_run}
        return self._object("PUT", path, body=body)

    # Money, events, access

    def list_rates(self, **filters: object) -> list[Json]:
        """Return the price book."""
        return self._list(f"{_GPU}/cost/rates", **filters)

    def set_rate(self, rate: Json) -> Json:
        """Set a price from a moment on."""
        return self._object("POST", f"{_GPU}/cost/rates", body=rate)

    def list_events(self, **filters: object) -> list[Json]:
        """Return past events, newest first."""
        return self._list(f"{_GPU}/events/history", **filters)

    def whoami(self) -> Json:
        """Return who the server takes the caller for."""
        return self._object("GET", "/api/v1/auth/me")

    def list_api_keys(self) -> list[Json]:
        """Return the API keys, without their secrets."""
        return self._list(f"{_ADMIN}/api-keys")

    def create_api_key(self, key: Json) -> Json:
        """Issue an API key; `key` of the answer is shown this once."""
        return self._object("POST", f"{_ADMIN}/api-keys", body=key)

    def revoke_api_key(self, key_id: str) -> None:
        """End an API key."""
        self._call("DELETE", _under(f"{_ADMIN}/api-keys", key_id))

    def list_teams(self) -> list[Json]:
        """Return the teams with their quotas."""
        return self._list(f"{_ADMIN}/teams")

    def create_team(self, team: Json) -> Json:
        """Add a team."""
        return self._object("POST", f"{_ADMIN}/teams", body=team)

    def list_audit(self, **filters: object) -> list[Json]:
        """Return who did what, newest first."""
        return self._list(f"{_ADMIN}/audit", **filters)

    # How requests are sent

    def _list(self, path: str, **query: object) -> list[Json]:
        found: list[Json] = self._call("GET", path, query=query).json()
        return found

    def _object(self, method: str, path: str, **more: Any) -> Json:
        found: Json = self._call(method, path, **more).json()
        return found

    def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, object] | None = None,
        body: object = None,
        once: str | None = None,
        longer_seconds: float = 0.0,
    ) -> httpx2.Response:
        request = self._http.build_request(
            method,
            path,
            params=_given(query or {}),
            json=body,
            headers={"Idempotency-Key": once} if once else {},
            timeout=httpx2.Timeout(self._timeout_seconds + longer_seconds, connect=5.0),
        )
        response = self._sent(request, repeatable=once is not None or method in _REPEATABLE)
        if response.is_success:
            return response
        raise _error(response)

    def _sent(self, request: httpx2.Request, *, repeatable: bool) -> httpx2.Response:
        def pause(error: Exception) -> bool | float:
            return _pause(error, repeatable=repeatable)

        try:
            for attempt in stamina.retry_context(
                on=pause, attempts=self._attempts, timeout=60.0, wait_initial=0.1, wait_jitter=0.2
            ):
                with attempt:
                    return _not_busy(self._http.send(request))
        except _Busy as busy:
            return busy.response
        except httpx2.TransportError as error:
            reason = str(error) or type(error).__name__
            raise GpuUnreachable(f"{request.method} {request.url}: {reason}") from error
        raise AssertionError("the last attempt returns or raises")


class _Busy(Exception):
    """The server asked to come back later."""

    def __init__(self, response: httpx2.Response) -> None:
        super().__init__(f"status {response.status_code}")
        self.response = response


def _not_busy(response: httpx2.Response) -> httpx2.Response:
    if response.status_code == _BUSY:
        raise _Busy(response)
    return response


def _pause(error: Exception, *, repeatable: bool) -> bool | float:
    """Return whether to try again, or the seconds to wait before that."""
    if isinstance(error, httpx2.ConnectError | httpx2.ConnectTimeout):
        return True  # nothing was sent
    if not repeatable:
        return False
    if isinstance(error, _Busy):
        told = error.response.headers.get("retry-after", "")
        known = told.isascii() and told.isdigit()
        return min(float(told), LONGEST_PAUSE_SECONDS) if known else True
    return isinstance(error, httpx2.RemoteProtocolError | httpx2.ReadError | httpx2.WriteError)


def _error(response: httpx2.Response) -> GpuApiError:
    try:
        problem = response.json()
    except ValueError:
        problem = None
    if not isinstance(problem, dict):
        problem = {"detail": response.text[:200]}
    kind = GpuNotAvailable if problem.get("code") == "GPU_NOT_AVAILABLE" else GpuApiError
    return kind(response.status_code, problem)


def _under(path: str, *names: str) -> str:
    return "/".join([path, *(quote(name, safe="") for name in names)])


def _given(query: Mapping[str, object]) -> dict[str, str]:
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in query.items()
        if value is not None
    }
