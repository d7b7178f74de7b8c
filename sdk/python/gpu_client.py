"""Python client of the k8s-gpu-management API.

    with GPUManagementClient("http://127.0.0.1:8080") as client:
        with client.allocated({"namespace": "ml", "podName": "train", "workloadType": "Training",
                               "requiredMemoryGb": 40}) as allocation:
            train_on(allocation["allocatedResource"])

Objects come as the JSON that the server writes (camelCase); the OpenAPI document lists the fields.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from urllib.parse import quote
from uuid import uuid4

from gpu_client_alerts import Alerts
from gpu_client_http import GpuApiError, GpuNotAvailable, GpuUnreachable, Json
from gpu_client_money import Money
from gpu_client_notifications import Notifications
from gpu_client_resources import Resources

__all__ = ["GPUManagementClient", "GpuApiError", "GpuNotAvailable", "GpuUnreachable"]

LONGEST_WAIT_SECONDS = 60
"""How long the server holds one answer back at most."""

_GPU = "/api/v1/gpu"
_ADMIN = "/api/v1/admin"


class GPUManagementClient(Notifications, Alerts, Money, Resources):
    """Every operation of the API; `GPUManagementClient(base_url, api_key=None)`."""

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
        """Return allocations, newest first; filter by phase, namespace, podName, teamId …."""
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

    def get_model(self, model_id: str) -> Json:
        """Return what is known about a GPU model."""
        return self._object("GET", _under(f"{_GPU}/models", model_id))

    def create_model(self, model: Json) -> Json:
        """Add a GPU model that the catalogue does not have."""
        return self._object("POST", f"{_GPU}/models", body=model)

    def get_statistics(self) -> Json:
        """Return the devices in figures."""
        return self._object("GET", f"{_GPU}/statistics")

    def list_workload_profiles(self) -> list[Json]:
        """Return what each kind of work asked for so far, and the cheapest place for it."""
        return self._list(f"{_GPU}/workload-profiles")

    # Measurements

    def report_mig_node(self, node_name: str, report: Json) -> Json:
        """Tell what a node's collector sees of its slices; return what it is to cut."""
        path = _under(f"{_GPU}/mig/nodes", node_name, "report")
        return self._object("POST", path, body=report)

    def ingest_metrics(self, batch: Json) -> Json:
        """Send what a collector read of a node."""
        return self._object("POST", f"{_GPU}/metrics/ingest", body=batch)

    def get_latest_metrics(self, **filters: object) -> list[Json]:
        """Return the newest figures of GPUs and MIG instances."""
        return self._list(f"{_GPU}/metrics/latest", **filters)

    def query_metrics(self, **question: object) -> list[Json]:
        """Return a metric over time: metric, how, group, start, end, step and filters."""
        return self._list(f"{_GPU}/metrics/query", **question)

    def get_top_metrics(self, **question: object) -> list[Json]:
        """Return the groups with the highest or lowest figures of the last hours."""
        return self._list(f"{_GPU}/metrics/top", **question)

    def list_idle_devices(self, **filters: object) -> list[Json]:
        """Return what is held and expected to stay idle, with the evidence."""
        return self._list(f"{_GPU}/metrics/idle", **filters)

    # MIG

    def list_mig_profiles(self, **filters: object) -> list[Json]:
        """Return the MIG profiles; filter by modelId or deviceId."""
        return self._list(f"{_GPU}/mig/profiles", **filters)

    def list_mig_instances(self, **filters: object) -> list[Json]:
        """Return the slices; filter by deviceId, profile or status."""
        return self._list(f"{_GPU}/mig/instances", **filters)

    def list_mig_devices(self, **filters: object) -> list[Json]:
        """Return the GPUs in MIG mode as they are cut; filter by modelId, nodeName, state, ..."""
        return self._list(f"{_GPU}/mig/devices", **filters)

    def get_mig_instance(self, mig_id: str) -> Json:
        """Return one slice, and who holds it."""
        return self._object("GET", _under(f"{_GPU}/mig/instances", mig_id))

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

    def list_mig_layouts(self, model_id: str) -> list[Json]:
        """Return the full layouts that a GPU model allows."""
        return self._list(_under(f"{_GPU}/models", model_id, "mig", "layouts"))

    def get_mig_fragmentation(self, **filters: object) -> Json:
        """Return how much of the free capacity cannot be carved as it lies."""
        return self._object("GET", f"{_GPU}/mig/fragmentation", query=filters)

    def plan_mig_repacking(self, asked: Json) -> Json:
        """Return which slices would have to move so that others fit; nothing is changed."""
        return self._object("POST", f"{_GPU}/mig/plan", body=asked)

    def create_mig_plan(self, asked: Json) -> Json:
        """Keep a repacking plan as a draft."""
        return self._object("POST", f"{_GPU}/mig/plans", body=asked)

    def list_mig_plans(self, **filters: object) -> list[Json]:
        """Return the kept plans, the newest first."""
        return self._list(f"{_GPU}/mig/plans", **filters)

    def get_mig_plan(self, plan_id: str) -> Json:
        """Return a kept plan with its tasks."""
        return self._object("GET", _under(f"{_GPU}/mig/plans", plan_id))

    def approve_mig_plan(self, plan_id: str) -> Json:
        """Let a plan run."""
        return self._object("POST", _under(f"{_GPU}/mig/plans", plan_id, "approve"))

    def pause_mig_plan(self, plan_id: str) -> Json:
        """Let a running plan wait after its present task."""
        return self._object("POST", _under(f"{_GPU}/mig/plans", plan_id, "pause"))

    def resume_mig_plan(self, plan_id: str) -> Json:
        """Let a plan that waits go on."""
        return self._object("POST", _under(f"{_GPU}/mig/plans", plan_id, "resume"))

    def cancel_mig_plan(self, plan_id: str) -> Json:
        """End a plan; what it has changed is taken back."""
        return self._object("POST", _under(f"{_GPU}/mig/plans", plan_id, "cancel"))

    def get_mig_history(self, device_id: str) -> list[Json]:
        """Return the layouts a GPU has had."""
        return self._list(_under(f"{_GPU}/devices", device_id, "mig", "history"))

    # Events, access

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

    def rotate_api_key(self, key_id: str, grace_seconds: int = 3600) -> Json:
        """Give an API key a new secret; the old one works for `grace_seconds` more."""
        path = _under(f"{_ADMIN}/api-keys", key_id, "rotate")
        return self._object("POST", path, body={"graceSeconds": grace_seconds})

    def revoke_api_key(self, key_id: str) -> None:
        """End an API key."""
        self._call("DELETE", _under(f"{_ADMIN}/api-keys", key_id))

    def list_teams(self) -> list[Json]:
        """Return the teams with their quotas."""
        return self._list(f"{_ADMIN}/teams")

    def create_team(self, team: Json) -> Json:
        """Add a team."""
        return self._object("POST", f"{_ADMIN}/teams", body=team)

    def get_team(self, team_id: str) -> Json:
        """Return one team."""
        return self._object("GET", _under(f"{_ADMIN}/teams", team_id))

    def update_team(self, team_id: str, team: Json) -> Json:
        """Replace name, quota and namespaces of a team."""
        return self._object("PUT", _under(f"{_ADMIN}/teams", team_id), body=team)

    def delete_team(self, team_id: str) -> None:
        """Remove a team."""
        self._call("DELETE", _under(f"{_ADMIN}/teams", team_id))

    def list_audit(self, **filters: object) -> list[Json]:
        """Return who did what, newest first."""
        return self._list(f"{_ADMIN}/audit", **filters)

    def list_settings(self) -> list[Json]:
        """Return what the server is set to and why; secrets are masked."""
        return self._list(f"{_ADMIN}/settings")


def _under(path: str, *names: str) -> str:
    return "/".join([path, *(quote(name, safe="") for name in names)])
