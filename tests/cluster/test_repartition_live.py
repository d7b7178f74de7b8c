"""A plan on a real control plane: real scheduler, eviction and claims; an actor cuts."""

import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from lightkube import ApiError
from lightkube.resources.resource_v1 import ResourceSlice

from gpu_management.allocations.enforcement import EnforcementMode, Rules
from gpu_management.cluster.claims import claim_name
from gpu_management.cluster.live import LiveCluster
from gpu_management.cluster.mirror import Mirror
from gpu_management.cluster.protocol import Kind
from gpu_management.cluster.trim import TRIMS
from gpu_management.controller.enforcer import Enforcer
from gpu_management.controller.inventory import Known
from gpu_management.controller.repartition import Repartitioner
from gpu_management.controller.repartition_hands import ClusterHands
from gpu_management.devices.models import DeviceState
from gpu_management.mig.execution import Method, Patience
from tests.cluster.test_repartition import BOARD, SMALL, Site, Yard
from tests.controlplane.admin import Admin, until
from tests.mig.test_restarts import kept_restart
from tests.support.house import CLUSTER, House
from tests.support.kube import gpu_slice, pod
from tests.support.mig_manager import NAMESPACE, MigManager, Thing, config_map

pytestmark = pytest.mark.cluster

NAMES = ("n1", "n2", "n3")
PATIENCE = Patience(settle=timedelta(seconds=0))


class LiveYard(Yard):
    """A yard whose cluster is real; only the clock and the MIG managers are played."""

    def __init__(self, house: House, cluster: LiveCluster, admin: Admin) -> None:
        self.house, self.admin = house, admin
        self.cluster = cluster  # type: ignore[assignment]
        self.known = Known()
        house.office = replace(house.office, enforcement=Rules(EnforcementMode.DRA))
        admin.prepare(NAMESPACE)
        with suppress(ApiError):
            admin.create(config_map())
        self.managers = [MigManager(cluster, name, BOARD, self.announce) for name in NAMES]
        for manager, cut in zip(self.managers, self.layouts, strict=True):
            admin.add_node(manager.node_name, [])
            manager.start({0: list(cut)})
        kinds = (Kind.NODE, Kind.SLICE, Kind.CLAIM, Kind.POD)
        self.mirror = Mirror(cluster, kinds, clock=house.clock, trim=TRIMS)  # type: ignore[assignment]
        self.mirror.start()  # type: ignore[attr-defined]
        assert self.mirror.wait_synced(20)  # type: ignore[attr-defined]
        self.sync()
        Site.__init__(self, house, Method.MIG_MANAGER)
        hands = ClusterHands(
            house.database,
            cluster,
            self.mirror,  # type: ignore[arg-type]
            cluster_name=CLUSTER,
            patience=PATIENCE,
        )
        self.worker = Repartitioner(house.database, CLUSTER, hands=hands)
        self.enforcer = Enforcer(
            house.database,
            cluster,
            self.mirror,  # type: ignore[arg-type]
            cluster_name=CLUSTER,
        )

    def announce(self, node_name: str, told: Sequence[Thing]) -> None:
        for one in told:
            one["attributes"]["parentUUID"] = {"string": f"GPU-{node_name}"}
        name = f"{node_name}-gpus"
        with suppress(ApiError):
            self.admin.client.delete(ResourceSlice, name)
        self.admin.create(gpu_slice(node_name, told, name=name))

    def turn(self, times: int = 1, *, seconds: float = 1) -> None:
        for _ in range(times):
            self.enforcer.run(self.house.now)
            super().turn(seconds=seconds)
            time.sleep(0.05)  # the cluster works at its own pace


@pytest.fixture
def yard(house: House, live_cluster: LiveCluster, admin: Admin) -> Iterator[LiveYard]:
    made = LiveYard(house, live_cluster, admin)
    yield made
    made.mirror.stop()  # type: ignore[attr-defined]
    made.close()
    live_cluster.delete(Kind.CONFIG_MAP, config_map()["metadata"]["name"], namespace=NAMESPACE)


def is_running(admin: Admin, name: str) -> bool:
    found = admin.pod(name, "ml")
    return bool(found is not None and found.status.phase == "Running")


def use(yard: LiveYard) -> dict[str, str]:
    """Put a pod on each small slice; return the names of the claims by the pod's."""
    claims = {}
    for name in ("small-1", "small-2"):
        made = yard.house.request(pod_name=name, **SMALL)
        claims[name] = claim_name(made.allocation_id)
    yard.turn(2)
    for name, claim in claims.items():
        until(lambda claim=claim: yard.admin.claim(claim, "ml"))
        yard.admin.create(pod(name, claims=[claim], phase="Pending"))
        until(lambda name=name: is_running(yard.admin, name))
    return claims


def ended(yard: LiveYard, plan: str) -> bool:
    yard.turn()
    return yard.state(plan) in {"DONE", "FAILED", "ROLLED_BACK"}


def test_pods_are_evicted_and_come_back_on_the_new_slices(yard: LiveYard) -> None:
    claims = use(yard)
    plan = yard.approved()
    until(lambda: ended(yard, plan), seconds=60)
    assert yard.state(plan) == "DONE", yard.read(plan)
    assert yard.states() == {DeviceState.READY}
    assert yard.whole_slices() == 2
    yard.turn(5)
    for name, claim in claims.items():
        assert yard.admin.pod(name, "ml") is None
        until(lambda claim=claim: (yard.turn(), yard.admin.claim(claim, "ml"))[1])
        yard.admin.create(pod(f"{name}-again", claims=[claim], phase="Pending"))
        until(lambda name=name: is_running(yard.admin, f"{name}-again"))
        [got] = yard.admin.claim(claim, "ml").status.allocation.devices.results
        assert got.pool == "n3"


@pytest.mark.parametrize("how", ["fail", "reboot"])
def test_the_managers_word_decides_and_a_failure_is_taken_back(yard: LiveYard, how: str) -> None:
    use(yard)
    for manager in yard.managers:
        manager.behaviour = [how]
    plan = yard.approved()
    until(lambda: ended(yard, plan), seconds=60)
    found: dict[str, Any] = yard.read(plan)
    assert found["state"] == ("ROLLED_BACK" if how == "fail" else "DONE"), found
    assert yard.states() == {DeviceState.READY}


class LiveRestartYard(LiveYard):
    """The half on n1 is in use, and has to begin elsewhere."""

    layouts = (["3g.40gb"], ["1g.10gb"], ["7g.80gb"])

    def plan(self, **_more: Any) -> str:
        return kept_restart(self, "n1-GPU-00")


def test_work_that_must_stop_is_evicted_and_its_next_pod_gets_the_new_slice(
    house: House, live_cluster: LiveCluster, admin: Admin
) -> None:
    yard = LiveRestartYard(house, live_cluster, admin)
    made = house.request(pod_name="half", required_memory_gb=40, use_mig=True)
    claim = claim_name(made.allocation_id)
    yard.turn(2)
    until(lambda: admin.claim(claim, "ml"))
    admin.create(pod("half", claims=[claim], phase="Pending"))
    until(lambda: is_running(admin, "half"))
    plan = yard.approved()
    until(lambda: ended(yard, plan), seconds=60)
    assert yard.state(plan) == "DONE", yard.read(plan)
    assert admin.pod("half", "ml") is None
    until(lambda: (yard.turn(), admin.claim(claim, "ml"))[1])
    admin.create(pod("half-again", claims=[claim], phase="Pending"))
    until(lambda: is_running(admin, "half-again"))
    [got] = admin.claim(claim, "ml").status.allocation.devices.results
    assert got.pool == "n1"
    assert sorted(s[0] for s in yard.layout()["n1-GPU-00"]) == ["3g.40gb", "4g.40gb"]
    yard.mirror.stop()  # type: ignore[attr-defined]
    yard.close()
    live_cluster.delete(Kind.CONFIG_MAP, config_map()["metadata"]["name"], namespace=NAMESPACE)
