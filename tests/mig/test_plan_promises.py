"""What a plan promises others: nobody lands on a GPU that is cut, and the gap has a name."""

from collections.abc import Iterator
from threading import Event, Thread
from typing import Any

import pytest
from sqlalchemy import select

from gpu_management.allocations.errors import AllocationContended, GpuNotAvailable
from gpu_management.allocations.models import Allocation, Hold
from gpu_management.cluster.mig_manager import CONFIG_LABEL
from gpu_management.cluster.protocol import Kind
from gpu_management.controller.enforcer import Enforcer
from gpu_management.devices.models import Device, DeviceState, DeviceStateInterval
from gpu_management.mig import plan_store as store
from gpu_management.mig.execution import Method
from tests.cluster.test_repartition import Site, Yard, move_pods, scattered, to_the_end
from tests.mig.test_restarts import restart_yard
from tests.support.house import CLUSTER, House
from tests.support.kube import mig
from tests.support.ledger import check_ledger

SMALL: dict[str, Any] = {"required_memory_gb": 10, "use_mig": True}


@pytest.fixture
def site(house: House) -> Iterator[Site]:
    scattered(house)
    made = Site(house, Method.LEDGER)
    yield made
    made.close()


def test_the_gap_is_called_reconfiguring_in_the_ledger_and_not_idle(site: Site) -> None:
    site.house.clock.forward(seconds=3600)
    plan = site.approved()
    with site.house.database.write() as session:
        store.open_plan(session, store.find(session, plan), now=site.house.now)
    site.run(seconds=900)
    site.house.clock.forward(seconds=3600)
    assert site.state(plan) == "DONE"
    emptied = next(d for d, slices in site.layout().items() if slices[0][0] == "7g.80gb")
    told = site.client.get(f"/api/v1/gpu/ledger/devices/{emptied}").json()
    gaps = [row for row in told["timeline"] if row["state"] == "RECONFIGURING"]
    assert {row["reason"] for row in gaps} == {f"repartition plan {plan}"}
    assert told["timeline"][-1]["state"] == "READY"
    held_milli = 125  # of the small slice, charged to its holder until it moves
    assert told["buckets"]["unavailable"]["gpuMilliSeconds"] == 900 * (1000 - held_milli)


def test_requests_that_come_meanwhile_never_land_on_a_gpu_that_is_cut(house: House) -> None:
    yard = restart_yard(house)
    plan = yard.approved()
    done = Event()
    askers = [Thread(target=_ask_and_leave, args=(house, done, n)) for n in range(3)]
    for asker in askers:
        asker.start()
    try:
        to_the_end(yard, plan)
    finally:
        done.set()
        for asker in askers:
            asker.join()
    assert yard.state(plan) == "DONE", yard.read(plan)
    with house.database.read() as session:
        check_ledger(session)
        [device] = session.scalars(select(Device).where(Device.live_id == "n1-GPU-00"))
        cut = select(DeviceStateInterval).where(
            DeviceStateInterval.device_id == device.id,
            DeviceStateInterval.state == DeviceState.RECONFIGURING,
        )
        [gap] = session.scalars(cut)
        begun = session.execute(
            select(Allocation.pod_name, Hold.started_at)
            .join(Hold, Hold.allocation_id == Allocation.allocation_id)
            .where(Hold.device_id == device.id, Hold.started_at > gap.started_at)
        ).all()
        assert {name for name, at in begun if at < gap.ended_at} <= {"half"}
        others = select(Hold.id).where(Hold.device_id != device.id)
        assert session.scalars(others).first() is not None, "nobody asked meanwhile"
    yard.close()


def _ask_and_leave(house: House, done: Event, number: int) -> None:
    while not done.is_set():
        try:
            made = house.request(pod_name=f"late-{number}", **SMALL)
        except (GpuNotAvailable, AllocationContended):
            continue
        house.release(made.allocation_id)


class Dynamic(Yard):
    """A cluster whose driver cuts when a claim asks: it announces what could be, not what is."""

    def __init__(self, house: House) -> None:
        super().__init__(house)
        self.method = Method.DYNAMIC
        for manager in self.managers:
            name = manager.node_name
            could = [("7g.80gb", 0), *(("1g.10gb", start) for start in range(7))]
            things = [mig(0, f"GPU-{name}", profile, start=start) for profile, start in could]
            self.announce(name, things)
        self.managers = []
        self.sync()


def test_with_dynamic_mig_nothing_is_cut_ahead_and_claims_say_where(house: House) -> None:
    yard = Dynamic(house)
    enforcer = Enforcer(
        house.database,
        yard.cluster,
        yard.mirror,  # type: ignore[arg-type]
        cluster_name=CLUSTER,
    )
    move_pods(yard)
    enforcer.run(house.now)
    before = {claim["metadata"]["name"] for claim in yard.mirror.objects(Kind.CLAIM)}
    plan = yard.approved()
    for _ in range(20):
        yard.turn(seconds=10)
        enforcer.run(house.now)
    assert yard.state(plan) == "DONE", yard.read(plan)
    assert yard.whole_slices() == 2
    assert yard.states() == {DeviceState.READY}
    told = [node["metadata"].get("labels") or {} for node in yard.mirror.objects(Kind.NODE)]
    assert [labels.get(CONFIG_LABEL) for labels in told] == [None] * 3
    claims = yard.mirror.objects(Kind.CLAIM)
    assert {claim["metadata"]["name"] for claim in claims} == before
    for claim in claims:
        [request] = claim["spec"]["devices"]["requests"]
        [selector] = request["exactly"]["selectors"]
        assert "GPU-n3" in selector["cel"]["expression"]
        assert "1g.10gb" in selector["cel"]["expression"]
    yard.close()


@pytest.mark.parametrize(
    "state",
    [
        DeviceState.FAILED,
        DeviceState.OFFLINE,
        DeviceState.MAINTENANCE,
        DeviceState.RECONFIGURING,
    ],
)
def test_devices_in_other_states_are_never_part_of_a_plan(site: Site, state: DeviceState) -> None:
    body = {"demand": {"7g.80gb": 1}, "movableNamespaces": ["ml"]}
    touched = {
        device["deviceId"]
        for device in site.client.post("/api/v1/gpu/mig/plan", json=body).json()["devices"]
    }
    assert touched == {"n1-GPU-00", "n2-GPU-00"}
    site.house.set_state("n2-GPU-00", state)
    found = site.client.post("/api/v1/gpu/mig/plan", json=body).json()
    assert (found["devices"], found["unserved"]) == ([], {"7g.80gb": 1})
