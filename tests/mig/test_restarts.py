"""Work that must stop before its new slice can exist: told, ended, cut, started, or taken back."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from gpu_management.allocations.models import Allocation, Hold, Phase
from gpu_management.allocations.slice_claims import claims_of
from gpu_management.cluster.protocol import Kind
from gpu_management.controller.enforcer import Enforcer
from gpu_management.devices.models import DeviceState
from gpu_management.mig import plan_service as plans
from gpu_management.mig import plan_store as store
from gpu_management.mig import plan_view as view
from gpu_management.mig import service as mig
from gpu_management.mig.cluster_layout import Item
from gpu_management.mig.execution import Method
from gpu_management.mig.geometry import Placement
from gpu_management.mig.models import MigInstance
from gpu_management.mig.plan_steps import Op, Step, value_of
from gpu_management.mig.plan_tasks import Cut, Slice, Start, Stop, compile_tasks
from gpu_management.mig.planner import Plan
from gpu_management.mig.repack_solve import Bound
from gpu_management.mig.windows import Limits
from tests.cluster.test_repartition import PLANS, Site, Yard, killed_after, to_the_end
from tests.support.house import A100, CLUSTER, House, prepared_database
from tests.support.kube import pod
from tests.support.ledger import check_ledger

HALF: dict[str, Any] = {"required_memory_gb": 40, "use_mig": True, "cpu_milli": 4000}


class RestartSite(Site):
    """A card whose half in use is to begin elsewhere, so that a larger half fits."""

    def plan(self, *, notice_seconds: float = 0.0, **_more: Any) -> str:
        """Keep a plan that stops the work, cuts the card and starts it on the other half."""
        return kept_restart(self, "n1-GPU-00", notice_seconds=notice_seconds)


def kept_restart(site: Site, device_id: str, *, notice_seconds: float = 0.0) -> str:
    with site.house.database.write() as session:
        claims = claims_of(session, CLUSTER)
        rules = plans.Rules(namespaces=frozenset({"ml"}))
        demand = {"4g.40gb": 1}
        found = plans.situation_of(session, CLUSTER, claims, rules=rules, demand=demand)
        index = [gpu.id for gpu in found.gpus].index(device_id)
        item = next(i for i in found.gpus[index].items if i.running)
        new = Item("new-1", "4g.40gb", 0, running=False)
        steps = [Step(Op.RESTART, item, index, 4, index), Step(Op.CREATE, new, index, 0, index)]
        made = Plan(found, steps, value_of(found, steps), Bound(0, 0, 0, 0), False, 1.0)
        ids = dict(session.execute(select(MigInstance.id, MigInstance.mig_id)).all())
        holders = view.holders_by_slice(claims, ids)
        shown = view.shown(made, holders, rules, curve=False, now=site.house.now)
        limits = Limits(notice_seconds=notice_seconds)
        draft = store.Draft(made, shown, site.method, limits=limits)
        kept = store.keep(session, CLUSTER, draft, claims, by="test", now=site.house.now)
        return kept.plan_id


@pytest.fixture
def site(house: House) -> Iterator[RestartSite]:
    house.node("n1", model=A100, layout=[("3g.40gb", 0)], cpu_milli=64_000)
    house.request(pod_name="half", **HALF)
    made = RestartSite(house, Method.LEDGER)
    yield made
    made.close()


def the_allocation(site: Site) -> Allocation:
    with site.house.database.read() as session:
        return session.scalars(select(Allocation)).one()


def events_of(site: Site) -> list[str]:
    told = site.client.get("/api/v1/gpu/events/history?subjectKind=allocation").json()
    return [event["type"] for event in reversed(told)]


def sound(site: Site) -> None:
    with site.house.database.read() as session:
        check_ledger(session)


def test_a_restart_is_a_stop_a_cut_and_a_start_and_each_is_taken_back_by_the_other() -> None:
    step = {
        "op": Op.RESTART,
        "device_id": "d1",
        "from_device_id": "d1",
        "profile": "3g.40gb",
        "start": 4,
        "from_start": 0,
        "mig_id": "x",
        "allocation_id": "a1",
        "namespace": "ml",
        "pod_name": "half",
    }
    tasks = compile_tasks([step], {"d1": [Slice("3g.40gb", 0, "a1")]}, {"d1": "n1"}, whole=True)
    assert [type(task) for task in tasks] == [Stop, Cut, Start]
    stop, cut, start = tasks
    assert isinstance(cut, Cut)
    assert cut.after == {"d1": (("3g.40gb", 4),)}
    assert [type(task.back) for task in reversed(tasks)] == [Stop, Cut, Start]
    assert (stop.back.back, start.back.back) == (stop, start)


def test_in_the_ledger_work_stops_and_starts_on_its_new_slice(site: RestartSite) -> None:
    plan = site.approved()
    site.run()
    assert site.state(plan) == "DONE", site.read(plan)
    assert site.layout() == {"n1-GPU-00": [("4g.40gb", 0, False), ("3g.40gb", 4, True)]}
    found = the_allocation(site)
    assert (found.phase, found.resources) == (Phase.ALLOCATED, ["n1-GPU-00-MIG-3g.40gb-4"])
    assert [one["type"] for one in found.conditions if one["type"] == "Moving"] == []
    assert events_of(site) == ["allocation.created", "allocation.stopped", "allocation.moved"]
    with site.house.database.read() as session:
        before, after = session.scalars(select(Hold).order_by(Hold.id)).all()
        assert before.ended_at is not None
        assert after.started_at >= before.ended_at
    sound(site)


@pytest.mark.integration
def test_on_postgresql_it_is_the_same(postgres_house: House) -> None:
    postgres_house.node("n1", model=A100, layout=[("3g.40gb", 0)], cpu_milli=64_000)
    postgres_house.request(pod_name="half", movable=True, **HALF)
    site = RestartSite(postgres_house, Method.LEDGER)
    plan = site.approved()
    site.run()
    assert site.state(plan) == "DONE", site.read(plan)
    assert site.layout() == {"n1-GPU-00": [("4g.40gb", 0, False), ("3g.40gb", 4, True)]}
    sound(site)
    site.close()


def test_whoever_has_to_stop_is_told_in_time(site: RestartSite) -> None:
    plan = site.plan(notice_seconds=600)
    site.act(plan, "approve")
    site.run()
    assert "gives notice until" in site.read(plan)["message"]
    [told] = [one for one in the_allocation(site).conditions if one["type"] == "Moving"]
    assert (told["reason"], "stops it at" in told["message"]) == ("Notice", True)
    site.run(seconds=300)
    assert site.layout() == {"n1-GPU-00": [("3g.40gb", 0, True)]}
    site.run(seconds=301)
    assert site.state(plan) == "DONE"
    assert events_of(site)[1:] == ["allocation.moving", "allocation.stopped", "allocation.moved"]


def test_a_plan_may_forbid_restarts(house: House) -> None:
    house.node("n1", model="a30", layout=[("1g.6gb+me", 1), ("1g.6gb", 3)])
    for name in ("media", "plain"):
        house.request(pod_name=name, required_memory_gb=6, use_mig=True, movable=True)
    with house.client() as client:
        body = {"demand": {"2g.12gb": 1}}
        shown = client.post("/api/v1/gpu/mig/plan", json=body).json()
        ops = [step["op"] for step in shown["steps"]]
        assert shown["unserved"] == {}
        forbidden = client.post("/api/v1/gpu/mig/plan", json=body | {"allowRestarts": False}).json()
        assert "restart" not in [step["op"] for step in forbidden["steps"]]
        kept = client.post(PLANS, json=body).json()
        assert ("stop" in {task["deed"] for task in kept["tasks"]}) is ("restart" in ops)


class RestartYard(Yard):
    """Nodes with MIG managers; the half on n1 is in use by the pod `half`."""

    layouts: Sequence[Sequence[str]] = (["3g.40gb"], ["1g.10gb"], ["7g.80gb"])

    def plan(self, **_more: Any) -> str:
        return kept_restart(self, "n1-GPU-00")


def restart_yard(house: House, mode: str = "observe") -> RestartYard:
    yard = RestartYard(house, mode=mode)
    yard.house.request(pod_name="half", required_memory_gb=40, use_mig=True)
    for name in ("half", "other"):
        yard.cluster.put(Kind.POD, pod(name))
    return yard


@pytest.fixture
def yard(house: House) -> Iterator[RestartYard]:
    made = restart_yard(house)
    yield made
    made.close()


def counts(yard: Yard) -> Any:
    return {d: sorted((s[0], s[2]) for s in slices) for d, slices in yard.layout().items()}


def test_with_a_cluster_only_its_pods_end_and_the_node_is_cut_meanwhile(yard: RestartYard) -> None:
    plan = yard.approved()
    to_the_end(yard, plan)
    assert yard.state(plan) == "DONE", yard.read(plan)
    assert counts(yard)["n1-GPU-00"] == [("3g.40gb", True), ("4g.40gb", False)]
    left = {thing["metadata"]["name"] for thing in yard.mirror.objects(Kind.POD)}
    assert left == {"other"}
    assert yard.states() == {DeviceState.READY}
    sound(yard)


def test_a_disruption_budget_keeps_the_work_running_until_it_allows(yard: RestartYard) -> None:
    yard.cluster.protected_pods = {"half"}
    plan = yard.approved()
    yard.turn(15, seconds=60)
    assert yard.state(plan) == "PAUSED"
    assert "disruption budget" in yard.read(plan)["message"]
    assert counts(yard)["n1-GPU-00"] == [("3g.40gb", True)]
    yard.cluster.protected_pods = set()
    yard.act(plan, "resume")
    to_the_end(yard, plan)
    assert yard.state(plan) == "DONE"


@pytest.mark.parametrize("how", ["fail", "lie", "silent"])
def test_where_the_cut_fails_the_work_gets_its_old_slice_back(yard: RestartYard, how: str) -> None:
    before, held = counts(yard), the_allocation(yard).resources
    yard.managers[0].behaviour = [how]
    plan = yard.approved()
    to_the_end(yard, plan, seconds=60)
    assert yard.state(plan) == "ROLLED_BACK"
    assert counts(yard) == before
    found = the_allocation(yard)
    assert (found.phase, found.resources) == (Phase.ALLOCATED, held)
    sound(yard)


def test_what_is_released_while_it_is_stopped_does_not_start_again(yard: RestartYard) -> None:
    plan = yard.approved()
    while not any(one["type"] == "Moving" for one in the_allocation(yard).conditions):
        yard.turn()
    assert counts(yard)["n1-GPU-00"] == [("3g.40gb", False)]
    yard.house.release(the_allocation(yard).allocation_id)
    to_the_end(yard, plan)
    assert yard.state(plan) == "DONE"
    assert the_allocation(yard).phase is Phase.RELEASED
    assert counts(yard)["n1-GPU-00"] == [("3g.40gb", False), ("4g.40gb", False)]
    sound(yard)


def test_its_claim_keeps_its_name_and_is_made_for_the_new_slice(house: House) -> None:
    yard = restart_yard(house, mode="dra")
    enforcer = Enforcer(
        house.database,
        yard.cluster,
        yard.mirror,  # type: ignore[arg-type]
        cluster_name=CLUSTER,
    )
    enforcer.run(house.now)
    [claim] = yard.mirror.objects(Kind.CLAIM)
    plan = yard.approved()
    seen = set[int]()
    for _ in range(60):
        yard.turn(seconds=10)
        enforcer.run(house.now)
        seen.add(len(yard.mirror.objects(Kind.CLAIM)))
    assert yard.state(plan) == "DONE", yard.read(plan)
    assert seen == {0, 1}
    [again] = yard.mirror.objects(Kind.CLAIM)
    assert again["metadata"]["name"] == claim["metadata"]["name"]
    assert again["spec"] != claim["spec"]
    yard.close()


def test_killed_between_any_two_steps_of_a_restart_it_goes_on(house: House) -> None:
    house.node("n1", model=A100, layout=[("3g.40gb", 0)])
    made = house.request(pod_name="half", **HALF)
    site = RestartSite(house, Method.LEDGER)
    for boundary in range(20):
        plan = site.approved()
        with killed_after(site, boundary) as died:
            site.run()
        site.run()
        assert site.state(plan) == "DONE"
        assert site.layout() == {"n1-GPU-00": [("4g.40gb", 0, False), ("3g.40gb", 4, True)]}
        sound(site)
        if not died[0]:
            return
        made = _again(house, made)
    pytest.fail("the plan never came to its end")


@pytest.mark.parametrize("cancels", [False, True])
def test_killed_while_a_node_is_cut_for_it_work_starts_on_one_slice_or_the_other(
    tmp_path: Path, cancels: bool
) -> None:
    for boundary in range(1 if cancels else 0, 24, 3):
        folder = tmp_path / str(boundary)
        folder.mkdir()
        house = House(prepared_database(folder))
        yard = restart_yard(house)
        before = counts(yard)
        plan = yard.approved()
        with killed_after(yard, boundary):
            yard.turn(20)
        if cancels and yard.state(plan) != "DONE":
            yard.act(plan, "cancel")
        to_the_end(yard, plan)
        after = {"n1-GPU-00": [("3g.40gb", True), ("4g.40gb", False)]}
        wanted = before | after if yard.state(plan) == "DONE" else before
        assert counts(yard) == wanted, (boundary, yard.state(plan))
        assert yard.state(plan) in ({"DONE", "ROLLED_BACK"} if cancels else {"DONE"})
        sound(yard)
        yard.close()
        house.database.close()


def _again(house: House, made: Allocation) -> Allocation:
    house.release(made.allocation_id)
    with house.device("n1-GPU-00") as (session, device):
        mig.apply_layout(session, device, [Placement("3g.40gb", 0)], now=house.now)
    return house.request(pod_name="half", **HALF)
