"""Plans whose GPUs are cut by the collectors of their nodes: asked, done, looked at again."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any

import pytest
from sqlalchemy import select

from gpu_management.auth import service as auth
from gpu_management.auth.access import Role
from gpu_management.auth.authenticators import IssuedKeys
from gpu_management.auth.principals import Mode, Security
from gpu_management.auth.schemas import ApiKeyCreate
from gpu_management.cluster.protocol import Kind
from gpu_management.collector.mig_agent import MigAgent, Slicer
from gpu_management.collector.mig_nvml import nvml_slicer
from gpu_management.controller.repartition import Repartitioner
from gpu_management.controller.repartition_collector import CollectorHands
from gpu_management.devices.models import Device, DeviceState
from gpu_management.mig.execution import Method
from gpu_management.mig.models import MigInstance
from tests.cluster.test_repartition import PLANS, Site, Yard, scattered, to_the_end
from tests.support.house import A100, CLUSTER, House
from tests.support.kube import mig, pod
from tests.support.ledger import check_ledger
from tests.support.mig_nvml import CutGpu, CutNvml, cut_gpu
from tests.support.principals import ADMIN

REPORT = "/api/v1/gpu/mig/nodes/{}/report"
LAYOUTS = {"n1": [("1g.10gb", 0)], "n2": [("1g.10gb", 0), ("3g.40gb", 4)]}


class Field(Site):
    """Two nodes whose collectors may cut, without a cluster."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.method = Method.COLLECTOR
        self.__dict__["client"] = house.client(mig_by_collectors=True).__enter__()
        hands = CollectorHands(house.database, CLUSTER)
        self.worker = Repartitioner(house.database, CLUSTER, hands=hands)
        self.gpus: dict[str, CutGpu] = {}
        self.apis: dict[str, CutNvml] = {}
        self.agents: dict[str, MigAgent] = {}
        for name, layout in LAYOUTS.items():
            self.gpus[name] = cut_gpu(f"GPU-{name}", layout, geometry=A100)
            self.apis[name] = CutNvml(self.gpus[name])
            self.start(name)

    def start(self, name: str) -> None:
        """Start the collector of a node, as after a restart: it remembers nothing."""

        def slicer() -> AbstractContextManager[Slicer]:
            return nvml_slicer(self.apis[name])

        self.agents[name] = MigAgent(self.client, lambda: None, name, slicer)  # type: ignore[arg-type]

    def plan(self, **more: Any) -> str:
        return super().plan(method="collector", **more)

    def turn(self, times: int = 1, *, seconds: float = 15) -> None:
        """Let the collectors report and the controller act, in turn."""
        for _ in range(times):
            for agent in self.agents.values():
                agent.round()
            self.run(seconds=seconds)

    def device_layouts(self) -> dict[str, list[tuple[str, int]]]:
        return {
            f"{name}-GPU-00": sorted(((s.profile, s.start) for s in gpu.slices), key=lambda s: s[1])
            for name, gpu in self.gpus.items()
        }

    def ledger_layouts(self) -> dict[str, list[tuple[str, int]]]:
        return {name: [(s[0], s[1]) for s in found] for name, found in self.layout().items()}


@pytest.fixture
def field(house: House) -> Iterator[Field]:
    scattered(house)
    made = Field(house)
    yield made
    made.close()


def test_collectors_cut_what_a_plan_orders_and_the_ledger_follows_what_they_see(
    field: Field,
) -> None:
    plan = field.approved()
    for _ in range(20):
        field.turn()
    assert field.state(plan) == "DONE", field.read(plan)
    assert field.whole_slices() == 1
    assert field.ledger_layouts() == field.device_layouts()
    assert field.states() == {DeviceState.READY}
    with field.house.database.read() as session:
        check_ledger(session)
        query = select(MigInstance).where(MigInstance.profile_name == "7g.80gb")
        [whole] = session.scalars(query)
        gpu = next(g for g in field.gpus.values() if g.slices[0].profile == "7g.80gb")
        assert (whole.uuid, whole.gpu_instance_id) == (
            f"MIG-{gpu.uuid}-{gpu.slices[0].id}",
            gpu.slices[0].id,
        )


def test_a_driver_may_call_a_profile_otherwise(field: Field) -> None:
    for gpu in field.gpus.values():
        gpu.calls = {"7g.80gb": "7g.79gb"}
    plan = field.approved()
    field.turn(20)
    assert field.state(plan) == "DONE", field.read(plan)
    assert field.whole_slices() == 1


def test_slices_that_stay_are_never_touched(field: Field) -> None:
    plan = field.approved()
    target = next(t for t in field.read(plan)["tasks"] if t["deed"] == "move")["to_device"]
    kept = next(s.id for s in field.gpus[target[:2]].slices if s.profile == "1g.10gb")
    field.turn(20)
    assert field.state(plan) == "DONE"
    assert kept in [one.id for one in field.gpus[target[:2]].slices]


def test_a_refusal_of_the_driver_is_told_and_everything_is_taken_back(field: Field) -> None:
    before, real = field.ledger_layouts(), field.device_layouts()
    for gpu in field.gpus.values():
        gpu.slices[0].in_use = True  # the work did not stop
    plan = field.approved()
    field.turn(30)
    assert field.state(plan) == "ROLLED_BACK"
    assert "reports failed" in field.read(plan)["message"]
    assert "somebody uses it" in field.read(plan)["message"]
    assert (field.ledger_layouts(), field.device_layouts()) == (before, real)


def test_a_collector_that_says_done_and_shows_something_else_is_not_believed(
    field: Field,
) -> None:
    before = field.ledger_layouts()
    plan = field.approved()
    node = field.read(plan)["tasks"][0]["node_name"]
    del field.agents[node]
    other = next(name for name in field.agents)
    lies = {"devices": [{"uuid": "GPU-x", "index": 0, "migEnabled": True, "slices": []}]}
    order = None
    for _ in range(40):
        told = lies | ({"orderId": order, "outcome": "done"} if order else {})
        order = field.client.post(REPORT.format(node), json=told).json()["orderId"] or order
        field.agents[other].round()
        field.run(seconds=60)
        if field.read(plan)["isUndoing"]:
            break
    assert "reports success, but after 300 s" in field.read(plan)["message"]
    assert field.ledger_layouts() == before


def test_a_collector_that_is_silent_is_waited_for_and_given_up(field: Field) -> None:
    plan = field.approved()
    field.run()
    assert "no collector on" in field.read(plan)["message"]
    assert field.state(plan) == "PAUSED"
    field.turn()
    field.act(plan, "resume")
    field.run()
    field.agents = {}
    field.run(seconds=200)
    assert field.state(plan) == "RUNNING" or field.state(plan) == "PAUSED"
    assert "has said nothing for 120 s" in field.read(plan)["message"]


def test_a_collector_that_starts_anew_does_its_order_again_and_changes_nothing(
    field: Field,
) -> None:
    plan = field.approved()
    for _ in range(20):
        field.turn()
        for name in LAYOUTS:
            field.start(name)
    assert field.state(plan) == "DONE"
    for api in field.apis.values():
        assert len(set(api.deeds)) == len(api.deeds)


def test_off_unless_the_settings_allow_it(house: House) -> None:
    scattered(house)
    with house.client() as client:
        refused = client.post(PLANS, json={"demand": {"7g.80gb": 1}, "method": "collector"})
        assert (refused.status_code, refused.json()["code"]) == (409, "MIG_PLAN_NOT_EXECUTABLE")
        told = client.post(REPORT.format("n1"), json={"devices": []})
        assert (told.status_code, "mig-by-collectors" in told.json()["detail"]) == (409, True)


def test_the_key_of_a_node_speaks_for_no_other(house: House) -> None:
    keys = IssuedKeys(house.database)
    with house.database.write() as session:
        asked = ApiKeyCreate(name="collector n1", roles=[Role.OPERATOR], user="node:n1")
        secret = auth.create_key(session, asked, by=ADMIN, now=house.now).secret
    security = Security(Mode.ENFORCED, authenticators=(keys,))
    with house.client(security, mig_by_collectors=True) as client:
        bearer = {"Authorization": f"Bearer {secret}"}
        mine = client.post(REPORT.format("n1"), json={"devices": []}, headers=bearer)
        assert (mine.status_code, mine.json()["orderId"]) == (200, None)
        other = client.post(REPORT.format("n2"), json={"devices": []}, headers=bearer)
        assert (other.status_code, "cannot speak for n2" in other.json()["detail"]) == (403, True)


class Announced(Yard):
    """Nodes of a cluster whose collectors cut, and whose driver announces what they cut, or not."""

    announces = True

    def __init__(self, house: House) -> None:
        super().__init__(house, mode="observe")
        self.method = Method.COLLECTOR
        self.client.app.state.mig_by_collectors = True  # type: ignore[attr-defined]
        self.gpus: dict[str, CutGpu] = {}
        self.agents = []
        for manager in self.managers:
            name = manager.node_name
            with house.database.read() as session:
                device = session.scalars(select(Device).where(Device.live_id == f"{name}-GPU-00"))
                uuid = device.one().uuid or ""
            layout = [(s[0], s[1]) for s in self.layout()[f"{name}-GPU-00"]]
            gpu = self.gpus[name] = cut_gpu(uuid, layout, geometry=A100)
            self.agents.append(self.agent(name, CutNvml(gpu)))
        self.managers = []

    def agent(self, name: str, api: CutNvml) -> MigAgent:
        return MigAgent(self.client, lambda: None, name, lambda: nvml_slicer(api))  # type: ignore[arg-type]

    def turn(self, times: int = 1, *, seconds: float = 5) -> None:
        for _ in range(times):
            for agent in self.agents:
                agent.round()
            for name, gpu in self.gpus.items() if self.announces else ():
                self.announce(name, [_thing(gpu, n) for n in range(len(gpu.slices))])
            super().turn(seconds=seconds)


def _thing(gpu: CutGpu, number: int) -> Any:
    one = gpu.slices[number]
    return mig(0, gpu.uuid, one.profile, start=one.start, uuid=f"MIG-{gpu.uuid}-{one.id}")


@pytest.mark.parametrize("announces", [True, False])
def test_in_a_cluster_the_node_must_announce_what_was_cut(house: House, announces: bool) -> None:
    yard = Announced(house)
    yard.announces = announces
    for name in ("small-1", "small-2"):
        house.request(pod_name=name, required_memory_gb=10, use_mig=True)
        yard.cluster.put(Kind.POD, pod(name))
    plan = yard.approved()
    to_the_end(yard, plan)
    found = yard.read(plan)
    if announces:
        assert (found["state"], yard.whole_slices()) == ("DONE", 2), found
    else:
        assert found["state"] in {"ROLLED_BACK", "FAILED"}
        assert "reports success, but after 300 s" in found["message"]
    yard.close()
