"""Slices that are cut on demand, on the real scheduler with partitionable devices switched on.

The gate is off by default in Kubernetes 1.34; here it is on, and the driver's slices are written
as it announces them: every possible cut of a card, drawing on the card's memory slices.
"""

from collections.abc import Iterator
from typing import Any

import pytest
from lightkube.resources.core_v1 import Node

from gpu_management.cluster.claims import Pin, pinned_claim
from gpu_management.cluster.inventory import read_inventory
from gpu_management.cluster.live import LiveCluster
from gpu_management.cluster.protocol import Kind
from tests.controlplane.admin import Admin, until
from tests.controlplane.plane import ControlPlane, running
from tests.support.kube import A100_NAME, gpu, gpu_slice, node, pod

pytestmark = pytest.mark.cluster

UNITS = 8
PLACES = {"1g.10gb": (1, range(7)), "3g.40gb": (4, (0, 4)), "7g.80gb": (8, (0,))}
"""Size and starts, in memory slices, of some profiles of an A100 80GB."""


@pytest.fixture(scope="module")
def cutting() -> Iterator[ControlPlane]:
    with running(schedules=True, gates="DRAPartitionableDevices=true") as plane:
        yield plane


@pytest.fixture
def cut_admin(cutting: ControlPlane) -> Iterator[Admin]:
    made = Admin(cutting)
    made.prepare("ml")
    made.create(node("n1"))
    made.client.patch(Node, "n1", {"spec": {"taints": None}})
    made.create(announced("n1", "GPU-a"))
    yield made
    made.clean()
    made.client.close()


def announced(name: str, uuid: str) -> dict[str, Any]:
    """Return the slice of a driver with DynamicMIG: the card, and each place a profile may have."""
    slices = {f"memory-slice-{n}": {"value": "1"} for n in range(UNITS)}
    card = gpu(0, uuid)
    card["consumesCounters"] = [{"counterSet": "gpu-0-counter-set", "counters": slices}]
    thing = gpu_slice(name, [card, *_cuts(uuid)])
    thing["spec"]["sharedCounters"] = [{"name": "gpu-0-counter-set", "counters": slices}]
    return thing


def _cuts(parent: str) -> Iterator[dict[str, Any]]:
    for profile, (size, starts) in PLACES.items():
        for start in starts:
            told = {"type": "mig", "parentUUID": parent, "profile": profile}
            told["productName"] = A100_NAME
            taken = {f"memory-slice-{start + n}": {"value": "1"} for n in range(size)}
            places = {f"memorySlice{start + n}": {"value": "1"} for n in range(size)}
            yield {
                "name": f"gpu-0-mig-{profile.replace('.', '')}-19-{start}",
                "attributes": {key: {"string": value} for key, value in told.items()},
                "capacity": {"memory": {"value": "9728Mi"}, **places},
                "consumesCounters": [{"counterSet": "gpu-0-counter-set", "counters": taken}],
            }


def want(admin: Admin, name: str, profile: str, start: int) -> None:
    """Claim one place of a card as an allocation does, and let a pod use it."""
    pin = Pin(parent_uuid="GPU-a", profile=profile, start=start)
    admin.create(pinned_claim(name, "ml", [pin], owner={}))
    admin.create(pod(name, claims=[f"gpualloc-{name}"], phase="Pending"))


def device_of(admin: Admin, name: str) -> str | None:
    found = admin.claim(f"gpualloc-{name}", "ml").status
    if found is None or found.allocation is None:
        return None
    device: str = found.allocation.devices.results[0].device
    return device


def test_a_pin_names_one_place_and_what_overlaps_it_waits(cut_admin: Admin):
    want(cut_admin, "first", "3g.40gb", 4)
    until(lambda: cut_admin.pod("first", "ml").status.phase == "Running")
    assert device_of(cut_admin, "first") == "gpu-0-mig-3g40gb-19-4"
    want(cut_admin, "overlapping", "1g.10gb", 5)
    want(cut_admin, "beside", "1g.10gb", 2)
    until(lambda: cut_admin.pod("beside", "ml").status.phase == "Running")
    assert device_of(cut_admin, "beside") == "gpu-0-mig-1g10gb-19-2"
    until(lambda: "cannot allocate" in why(cut_admin, "overlapping"))
    assert device_of(cut_admin, "overlapping") is None
    cut_admin.delete_pod("first", "ml")
    until(lambda: device_of(cut_admin, "overlapping") == "gpu-0-mig-1g10gb-19-5")


def why(admin: Admin, name: str) -> str:
    """Return what the scheduler says of a pod that waits."""
    for told in admin.pod(name, "ml").status.conditions or ():
        if told.type == "PodScheduled" and told.message:
            return str(told.message)
    return ""


def test_such_a_card_is_whole_and_cut_on_demand_in_the_inventory(
    cutting: ControlPlane, cut_admin: Admin
):
    cluster = LiveCluster(cutting.kubeconfig())
    nodes, slices = (cluster.list(kind).objects for kind in (Kind.NODE, Kind.SLICE))
    cluster.close()
    [found] = read_inventory(nodes, slices)
    assert found.devices is not None
    [card] = found.devices
    assert (card.uuid, card.is_dynamic, card.instances) == ("GPU-a", True, ())
