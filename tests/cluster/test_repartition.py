"""Plans carried out: in the ledger alone, and with a MIG manager in a cluster in memory."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from functools import cached_property
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select

from gpu_management.allocations.enforcement import EnforcementMode, Rules
from gpu_management.allocations.errors import GpuNotAvailable
from gpu_management.allocations.models import Allocation, Hold
from gpu_management.allocations.slice_claims import claims_of
from gpu_management.cluster.inventory import read_inventory
from gpu_management.cluster.memory import MemoryCluster
from gpu_management.cluster.mig_manager import CONFIG_LABEL
from gpu_management.cluster.protocol import Kind
from gpu_management.controller.enforcer import Enforcer
from gpu_management.controller.inventory import Known, reconcile
from gpu_management.controller.repartition import Repartitioner
from gpu_management.controller.repartition_hands import ClusterHands
from gpu_management.devices.models import Device, DeviceState, DeviceStateInterval
from gpu_management.mig import plan_service as plans
from gpu_management.mig import plan_store as store
from gpu_management.mig import plan_view as view
from gpu_management.mig import service as mig
from gpu_management.mig.cluster_layout import Item
from gpu_management.mig.execution import Method, Patience
from gpu_management.mig.geometry import Placement, load_geometries
from gpu_management.mig.models import MigInstance
from gpu_management.mig.plan_models import MigPlanNode
from gpu_management.mig.plan_steps import Op, Step, value_of
from gpu_management.mig.planner import Plan
from gpu_management.mig.repack_solve import Bound
from tests.support.clusters import Still
from tests.support.house import A100, CLUSTER, House, prepared_database
from tests.support.kube import gpu_slice, node, pod
from tests.support.mig_manager import MigManager, Thing, config_map

PLANS = "/api/v1/gpu/mig/plans"
WHOLE = {"demand": {"7g.80gb": 1}, "movableNamespaces": ["ml"]}
PATIENCE = Patience(settle=timedelta(seconds=10))
BOARD = load_geometries()["a100-sxm4-80gb"]
SMALL: dict[str, Any] = {"required_memory_gb": 10, "use_mig": True}


class Killed(BaseException):
    """The process died."""


class Site:
    """A house, its plans, and how things stand on it."""

    def __init__(self, house: House, method: Method) -> None:
        self.house = house
        self.method = method
        self.worker = Repartitioner(house.database, CLUSTER)

    @cached_property
    def client(self) -> TestClient:
        """A caller of the application: made when a test needs one, for that takes its time."""
        return self.house.client(mig_method=self.method).__enter__()

    def close(self) -> None:
        if "client" in self.__dict__:
            self.client.__exit__(None, None, None)

    def plan(self, **more: Any) -> str:
        answer = self.client.post(PLANS, json=WHOLE | more)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["planId"])

    def approved(self, **more: Any) -> str:
        plan = self.plan(**more)
        self.act(plan, "approve")
        return plan

    def act(self, plan: str, verb: str) -> None:
        """Approve, pause, resume or cancel a plan, as its route does."""
        now, by = self.house.now, "test"
        with self.house.database.write() as session:
            if verb == "approve":
                store.approve(session, plan, claims_of, by=by, now=now)
            elif verb == "cancel":
                store.cancel(session, plan, by=by, now=now)
            else:
                getattr(store, verb)(session, plan, now=now)

    def read(self, plan: str) -> dict[str, Any]:
        return dict(self.client.get(f"{PLANS}/{plan}").json())

    def state(self, plan: str) -> str:
        with self.house.database.read() as session:
            return store.find(session, plan).state.value

    def run(self, *, seconds: float = 1) -> None:
        self.house.clock.forward(seconds=seconds)
        self.worker.run(self.house.now)

    def layout(self) -> dict[str, list[tuple[str, int, bool]]]:
        query = (
            select(Device.device_id, MigInstance)
            .join(MigInstance, MigInstance.device_id == Device.id)
            .where(MigInstance.destroyed_at.is_(None))
            .order_by(Device.device_id, MigInstance.placement_start)
        )
        found: dict[str, list[tuple[str, int, bool]]] = {}
        with self.house.database.read() as session:
            for device_id, one in session.execute(query):
                told = (one.profile_name, one.placement_start, one.held)
                found.setdefault(device_id, []).append(told)
        return found

    def states(self) -> set[DeviceState]:
        with self.house.database.read() as session:
            return set(session.scalars(select(Device.state)))

    def whole_slices(self) -> int:
        return sum(s[0] == "7g.80gb" for slices in self.layout().values() for s in slices)


def scattered(house: House, *, nodes: Sequence[str] = ("n1", "n2")) -> None:
    """Two cards, each with one small slice in use."""
    house.node(nodes[0], model=A100, layout=[("1g.10gb", 0)])
    house.node(nodes[1], model=A100, layout=[("1g.10gb", 0), ("3g.40gb", 4)])
    for name in ("small-1", "small-2"):
        house.request(pod_name=name, **SMALL)


@pytest.fixture
def site(house: House) -> Iterator[Site]:
    scattered(house)
    made = Site(house, Method.LEDGER)
    yield made
    made.close()


def test_a_plan_makes_room_and_moves_the_allocation_in_the_ledger(site: Site) -> None:
    plan = site.approved()
    site.run()
    assert site.state(plan) == "DONE"
    assert site.whole_slices() == 1
    assert site.states() == {DeviceState.READY}
    with site.house.database.read() as session:
        holds = list(session.scalars(select(Hold).order_by(Hold.id)))
        moved = [hold for hold in holds if hold.ended_at is not None]
        assert len(moved) == 1
        [after] = [h for h in holds[2:] if h.allocation_id == moved[0].allocation_id]
        assert after.started_at == moved[0].ended_at
        allocation = session.get_one(Allocation, after.allocation_id)
        held = session.get_one(MigInstance, after.mig_instance_id)
        assert allocation.resources == [held.mig_id]
        assert sum(session.scalars(select(Device.held_milli))) == 2 * held.milli
    site.house.request(pod_name="big", required_memory_gb=80, use_mig=True)


def test_nothing_is_placed_on_a_device_that_is_being_cut(site: Site) -> None:
    plan = site.approved()
    with site.house.database.write() as session:
        store.open_plan(session, store.find(session, plan), now=site.house.now)
    with pytest.raises(GpuNotAvailable):
        site.house.request(pod_name="late", **SMALL)
    site.run()
    site.house.request(pod_name="late", **SMALL)


def test_the_time_held_back_is_in_the_timeline(site: Site) -> None:
    site.approved()
    site.run()
    with site.house.database.read() as session:
        told = session.scalars(select(DeviceStateInterval.state)).all()
    assert told.count(DeviceState.RECONFIGURING) == 2


def test_what_changed_before_the_start_stops_a_plan(site: Site) -> None:
    plan = site.approved()
    site.house.request(pod_name="late", required_memory_gb=40, use_mig=True)
    before = site.layout()
    site.run()
    assert site.state(plan) == "ROLLED_BACK"
    assert "nothing was changed" in site.read(plan)["message"]
    assert (site.layout(), site.states()) == (before, {DeviceState.READY})


def test_a_second_plan_waits_for_the_nodes_of_the_first(site: Site) -> None:
    first, second = site.approved(), site.approved()
    with site.house.database.write() as session:
        session.add(MigPlanNode(plan_id=first, node_name="other", open_key=f"{CLUSTER}/n1"))
    site.run()
    assert {site.state(first), site.state(second)} == {"APPROVED"}


def test_a_broken_device_pauses_a_plan_and_a_cancelled_one_is_taken_back(site: Site) -> None:
    plan, before = site.approved(), site.layout()
    with killed_after(site, 4):
        site.run()
    site.act(plan, "pause")
    site.house.set_state("n1-GPU-00", DeviceState.FAILED)
    site.act(plan, "resume")
    site.run()
    assert site.state(plan) == "PAUSED"
    assert "n1-GPU-00 is FAILED" in site.read(plan)["message"]
    site.house.set_state("n1-GPU-00", DeviceState.READY)
    site.act(plan, "cancel")
    site.run()
    assert site.state(plan) == "ROLLED_BACK"
    assert site.layout() == before


@contextmanager
def killed_after(site: Any, boundary: int) -> Iterator[list[bool]]:
    """Let the process die before its n-th transaction or call of the cluster."""
    left, died = [boundary], [False]

    def count() -> None:
        left[0] -= 1
        if left[0] < 0:
            died[0] = True
            raise Killed

    database = site.house.database

    class Mortal:
        def read(self) -> Any:
            return database.read()

        def write(self) -> Any:
            count()
            return database.write()

    worker = site.build(Mortal(), count) if isinstance(site, Yard) else None
    site.worker = worker or Repartitioner(Mortal(), CLUSTER)  # type: ignore[arg-type]
    try:
        yield died
    except Killed:
        pass
    finally:
        site.worker = site.build() if isinstance(site, Yard) else Repartitioner(database, CLUSTER)


@pytest.mark.parametrize("ends", ["DONE", "ROLLED_BACK"])
def test_killed_between_any_two_steps_a_plan_goes_on_or_back(house: House, ends: str) -> None:
    scattered(house)
    site = Site(house, Method.LEDGER)
    for boundary in range(30):
        before = site.layout()
        plan = site.approved()
        with killed_after(site, boundary) as died:
            site.run()
        if ends == "ROLLED_BACK" and site.state(plan) != "DONE":
            site.act(plan, "cancel")
        site.run()
        assert site.states() == {DeviceState.READY}
        if site.state(plan) == "DONE":
            assert site.whole_slices() == 1
            if not died[0]:
                site.close()
                return
            _scatter_again(site)
        else:
            assert (site.state(plan), site.layout()) == ("ROLLED_BACK", before)
    pytest.fail("the plan never came to its end")


def _scatter_again(site: Site) -> None:
    """Bring the small slices apart again by a plan's own means: a whole board for each."""
    house = site.house
    with house.database.read() as session:
        allocations = list(session.scalars(select(Allocation.allocation_id)))
    for allocation_id in allocations:
        house.release(allocation_id)
    for device_id, layout in (
        ("n1-GPU-00", [("1g.10gb", 0)]),
        ("n2-GPU-00", [("1g.10gb", 0), ("3g.40gb", 4)]),
    ):
        with house.device(device_id) as (session, device):
            mig.apply_layout(session, device, [Placement(*p) for p in layout], now=house.now)
    for name in ("small-1", "small-2"):
        house.request(pod_name=name, **SMALL)


class Yard(Site):
    """A house beside a cluster of two nodes with a MIG manager each, and pods that use slices."""

    layouts: Sequence[Sequence[str]] = (["1g.10gb"], ["1g.10gb", "3g.40gb"], ["4g.40gb"])

    def __init__(self, house: House, mode: str = "dra") -> None:
        self.cluster = MemoryCluster()
        self.mirror = Still(self.cluster)
        self.known = Known()
        self.cluster.put(Kind.CONFIG_MAP, config_map())
        house.office = replace(house.office, enforcement=Rules(EnforcementMode(mode)))
        self.managers = [
            MigManager(self.cluster, name, BOARD, self.announce) for name in ("n1", "n2", "n3")
        ]
        for manager, cut in zip(self.managers, self.layouts, strict=True):
            self.cluster.put(Kind.NODE, node(manager.node_name))
            manager.start({0: list(cut)})
        self.house = house
        self.sync()
        super().__init__(house, Method.MIG_MANAGER)
        self.worker = self.build()

    def plan(self, **_more: Any) -> str:
        """Keep a plan that gathers both small slices on n3 and makes whole boards of n1 and n2."""
        with self.house.database.write() as session:
            claims = claims_of(session, CLUSTER)
            rules = plans.Rules(namespaces=frozenset({"ml"}))
            demand = {"7g.80gb": 2}
            found = plans.situation_of(session, CLUSTER, claims, rules=rules, demand=demand)
            small = [next(i for i in gpu.items if i.running) for gpu in found.gpus[:2]]
            half, waste = found.gpus[2].items[0], found.gpus[1].items[-1]
            steps = [
                Step(Op.DESTROY, half, 2, half.start, 2),
                Step(Op.MOVE, small[0], 2, 0, 0),
                Step(Op.MOVE, small[1], 2, 1, 1),
                Step(Op.DESTROY, waste, 1, waste.start, 1),
                Step(Op.CREATE, Item("new-1", "7g.80gb", 0, running=False), 0, 0, 0),
                Step(Op.CREATE, Item("new-2", "7g.80gb", 0, running=False), 1, 0, 1),
            ]
            made = Plan(found, steps, value_of(found, steps), Bound(0, 0, 0, 0), True, 1.0)
            ids = dict(session.execute(select(MigInstance.id, MigInstance.mig_id)).all())
            holders = view.holders_by_slice(claims, ids)
            shown = view.shown(made, holders, rules, curve=False, now=self.house.now)
            draft = store.Draft(made, shown, self.method)
            return store.keep(
                session, CLUSTER, draft, claims, by="test", now=self.house.now
            ).plan_id

    def announce(self, node_name: str, told: Sequence[Thing]) -> None:
        for one in told:
            one["attributes"]["parentUUID"] = {"string": f"GPU-{node_name}"}
        self.cluster.put(Kind.SLICE, gpu_slice(node_name, told))

    def sync(self) -> None:
        found = read_inventory(self.mirror.objects(Kind.NODE), self.mirror.objects(Kind.SLICE))
        reconcile(self.house.database, CLUSTER, found, self.known, now=self.house.now)

    def build(self, database: Any = None, count: Any = None) -> Repartitioner:
        """Return a worker as a new process has it."""
        chosen = database or self.house.database
        cluster: Any = Counted(self.cluster, count) if count else self.cluster
        hands = ClusterHands(
            chosen,
            cluster,
            self.mirror,  # type: ignore[arg-type]
            cluster_name=CLUSTER,
            patience=PATIENCE,
        )
        return Repartitioner(chosen, CLUSTER, hands=hands)

    def turn(self, times: int = 1, *, seconds: float = 5) -> None:
        """Let everybody act in turn: our controller, the MIG managers, and what we learn of it."""
        for _ in range(times):
            self.run(seconds=seconds)
            for manager in self.managers:
                manager.act()
            self.sync()


def to_the_end(yard: Yard, plan: str, *, seconds: float = 30) -> None:
    """Let everybody act until the plan has ended."""
    for _ in range(90):
        if yard.state(plan) in {"DONE", "FAILED", "ROLLED_BACK"}:
            return
        yard.turn(seconds=seconds)
    pytest.fail(str(yard.read(plan)))


class Counted:
    """A cluster before each of whose calls the process may die."""

    def __init__(self, cluster: MemoryCluster, count: Any) -> None:
        self._cluster = cluster
        self._count = count

    def __getattr__(self, name: str) -> Any:
        self._count()
        return getattr(self._cluster, name)


def move_pods(yard: Yard) -> None:
    """Put two small allocations on the two cards, each with its pod."""
    for name in ("small-1", "small-2"):
        yard.house.request(pod_name=name, **SMALL)
        yard.cluster.put(Kind.POD, pod(name))
    yard.cluster.put(Kind.POD, pod("other"))


@pytest.fixture
def yard(house: House) -> Iterator[Yard]:
    made = Yard(house, mode="observe")
    move_pods(made)
    yield made
    made.close()


def test_the_mig_manager_cuts_and_only_the_pods_listed_are_evicted(yard: Yard) -> None:
    plan = yard.approved()
    moved = [t for t in yard.read(plan)["tasks"] if t["deed"] == "move"]
    to_the_end(yard, plan)
    assert yard.state(plan) == "DONE", yard.read(plan)
    assert yard.whole_slices() == 2
    assert [task["pod_name"] for task in moved] == ["small-1", "small-2"]
    left = {thing["metadata"]["name"] for thing in yard.mirror.objects(Kind.POD)}
    assert left == {"other"}
    assert yard.states() == {DeviceState.READY}


@pytest.mark.parametrize(
    ("how", "says"),
    [
        ("fail", "reports failed"),
        ("silent", "has said nothing"),
        ("stuck", "has been pending"),
        ("lie", "reports success, but"),
    ],
)
def test_what_goes_wrong_is_reported_and_taken_back(yard: Yard, how: str, says: str) -> None:
    before = yard.layout()
    for manager in yard.managers:
        manager.behaviour = [how]
    plan = yard.approved()
    to_the_end(yard, plan, seconds=60)
    assert yard.state(plan) == "ROLLED_BACK"
    assert says in yard.read(plan)["message"]
    assert _counts(yard.layout()) == _counts(before)
    assert yard.states() == {DeviceState.READY}


def test_a_driver_may_call_a_profile_otherwise(yard: Yard) -> None:
    for manager in yard.managers:
        manager.calls = {"7g.80gb": "7g.79gb"}
    plan = yard.approved()
    to_the_end(yard, plan)
    assert yard.state(plan) == "DONE", yard.read(plan)
    assert yard.whole_slices() == 2


def _counts(layout: Any) -> Any:
    return {device: sorted((s[0], s[2]) for s in slices) for device, slices in layout.items()}


def test_where_taking_back_fails_too_the_devices_wait_for_a_person(yard: Yard) -> None:
    for manager in yard.managers:
        manager.behaviour = ["fail"] * 4
    plan = yard.approved()
    to_the_end(yard, plan, seconds=60)
    assert yard.state(plan) == "FAILED"
    assert "taking it back failed too" in yard.read(plan)["message"]
    assert yard.states() == {DeviceState.MAINTENANCE}


def test_a_reboot_takes_its_time(yard: Yard) -> None:
    for manager in yard.managers:
        manager.behaviour = ["reboot"]
    plan = yard.approved()
    to_the_end(yard, plan, seconds=60)
    assert yard.state(plan) == "DONE"


def test_a_disruption_budget_pauses_a_plan_that_can_go_on_later(yard: Yard) -> None:
    yard.cluster.protected_pods = {"small-1", "small-2"}
    plan = yard.approved()
    yard.turn(25, seconds=60)
    assert yard.state(plan) == "PAUSED"
    assert "disruption budget" in yard.read(plan)["message"]
    yard.cluster.protected_pods = set()
    yard.act(plan, "resume")
    to_the_end(yard, plan)
    assert yard.state(plan) == "DONE"


def test_a_label_that_somebody_else_set_pauses_a_plan(yard: Yard) -> None:
    plan = yard.approved()
    yard.managers = []
    yard.turn(6)
    for name in ("n1", "n2", "n3"):
        patch = {"metadata": {"labels": {CONFIG_LABEL: "all-1g.10gb"}}}
        yard.cluster.merge(Kind.NODE, name, patch)
    yard.turn(1)
    assert yard.state(plan) == "PAUSED"
    assert "somebody set" in yard.read(plan)["message"]


def test_cards_in_use_are_not_cut_by_the_mig_manager(yard: Yard) -> None:
    body = {"demand": {"1g.10gb": 18}}
    made = yard.client.post(PLANS, json=body).json()
    assert [device["deviceId"] for device in made["devices"]] == ["n3-GPU-00"]
    refused = yard.client.post(PLANS, json=body | {"keepDevices": ["n3-GPU-00"]})
    assert (refused.status_code, refused.json()["code"]) == (409, "MIG_PLAN_NOT_EXECUTABLE")
    assert "cannot be cut while in use" in refused.json()["detail"]


@pytest.mark.parametrize("cancels", [False, True])
def test_killed_anywhere_with_a_cluster_it_goes_on_or_back(tmp_path: Any, cancels: bool) -> None:
    for boundary in range(2 if cancels else 0, 40, 5):
        folder = tmp_path / str(boundary)
        folder.mkdir()
        house = House(prepared_database(folder))
        yard = Yard(house, mode="observe")
        move_pods(yard)
        before = yard.layout()
        plan = yard.approved()
        with killed_after(yard, boundary):
            yard.turn(30)
        if cancels and yard.state(plan) != "DONE":
            yard.act(plan, "cancel")
        to_the_end(yard, plan)
        wanted = "ROLLED_BACK" if cancels and yard.state(plan) != "DONE" else "DONE"
        assert yard.state(plan) == wanted, (boundary, yard.read(plan))
        assert yard.states() == {DeviceState.READY}
        if wanted == "ROLLED_BACK":
            assert _counts(yard.layout()) == _counts(before), boundary
        else:
            assert yard.whole_slices() == 2
        yard.close()
        house.database.close()


def test_a_claim_is_made_anew_for_the_slice_its_allocation_moved_to(house: House) -> None:
    yard = Yard(house)
    enforcer = Enforcer(
        house.database,
        yard.cluster,
        yard.mirror,  # type: ignore[arg-type]
        cluster_name=CLUSTER,
    )
    move_pods(yard)
    enforcer.run(house.now)
    claims = {claim["metadata"]["name"]: claim for claim in yard.mirror.objects(Kind.CLAIM)}
    assert len(claims) == 2
    for name, claim in claims.items():
        users = [{"resource": "pods", "name": "small-1", "uid": "u"}]
        yard.cluster.put(Kind.CLAIM, {**claim, "status": {"reservedFor": users}})
        assert name.startswith("gpualloc-")
    plan = yard.approved()
    for _ in range(60):
        yard.turn(seconds=10)
        enforcer.run(house.now)
    assert yard.state(plan) == "DONE", yard.read(plan)
    made = {claim["metadata"]["name"]: claim for claim in yard.mirror.objects(Kind.CLAIM)}
    assert made.keys() == claims.keys()
    n3 = {s.uuid for s in read_inventory_of(yard, "n3")}
    for claim in made.values():
        [request] = claim["spec"]["devices"]["requests"]
        [selector] = request["exactly"]["selectors"]
        assert any(str(uuid) in selector["cel"]["expression"] for uuid in n3)
    with house.database.read() as session:
        allocations = session.scalars(select(Allocation)).all()
        assert {a.node_name for a in allocations} == {"n3"}
    yard.close()


def read_inventory_of(yard: Yard, name: str) -> Any:
    found = read_inventory(yard.mirror.objects(Kind.NODE), yard.mirror.objects(Kind.SLICE))
    [told] = [one for one in found if one.name == name]
    return [instance for device in told.devices or () for instance in device.instances]
