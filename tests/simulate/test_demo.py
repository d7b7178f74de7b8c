"""The demonstration: a pleasant fleet with a past, that leaves people what they like to try."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from gpu_management.alerts.jobs import Watch
from gpu_management.alerts.journal import Terms
from gpu_management.alerts.models import Alert
from gpu_management.alerts.reading import Reader
from gpu_management.allocations.models import Allocation, Hold, Phase
from gpu_management.auth.models import Team
from gpu_management.core.database import open_database
from gpu_management.costs.models import HoldDay
from gpu_management.devices.models import Device, DeviceState, Node
from gpu_management.metrics.embedded import Embedded
from gpu_management.metrics.latest import Latest
from gpu_management.optimization.models import Status, Suggestion
from gpu_management.resources.analysis import Verdict
from gpu_management.resources.models import ResourceNode, ResourcePod
from gpu_management.simulate import demo, reserve, world
from gpu_management.simulate.demo import Demo
from gpu_management.simulate.demo_fleet import POOL_LABEL
from gpu_management.simulate.world import FleetUnusable
from tests.support.costs import close_days
from tests.support.house import CLUSTER, House, prepared_database
from tests.support.ledger import check_ledger

DAYS = 2


def quiet(_message: str) -> None:
    """Say nothing."""


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The file of a database with a new demonstration fleet."""
    folder = tmp_path_factory.mktemp("demo")
    database = prepared_database(folder)
    demo.prepare(House(database), 7, tell=quiet, days=DAYS)
    database.close()
    return (folder / "house.db").read_bytes()


@pytest.fixture
def house(tmp_path: Path, filled: bytes) -> Iterator[House]:
    (tmp_path / "demo.db").write_bytes(filled)
    database = open_database(f"sqlite:///{tmp_path / 'demo.db'}")
    yield House(database)
    database.close()


@pytest.fixture
def running(house: House) -> Demo:
    return demo.prepare(house, 7, tell=quiet)


def test_the_fleet_has_forty_nodes_of_eight_models_and_five_teams(house: House) -> None:
    with house.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Node)) == 40
        assert session.scalar(select(func.count(func.distinct(Device.model_id)))) == 8
        assert session.scalar(select(func.count()).select_from(Team)) == 5
        states = dict(
            session.execute(select(Device.state, func.count()).group_by(Device.state)).all()
        )
        assert states[DeviceState.FAILED] == states[DeviceState.OFFLINE] == 1
        assert states[DeviceState.MAINTENANCE] == 8
        cut = select(Device.model_id).distinct().where(Device.mig_enabled)
        assert set(session.scalars(cut)) == {
            "a100-sxm4-80gb",
            "h100-sxm5-80gb",
            "rtx-pro-6000-server",
        }


def test_the_cluster_and_its_teams_have_budgets(house: House) -> None:
    with house.client() as client:
        found = client.get("/api/v1/gpu/budgets").json()
    assert {budget["scope"] for budget in found} == {"cluster", "team"}
    assert len(found) == 6


def test_its_pools_can_be_priced_apart(house: House) -> None:
    with house.database.read() as session:
        pools = set(session.scalars(select(Node.node_pool)))
        held = set(session.scalars(select(Hold.node_pool)))
    assert pools == {"training", "research", "serving", "shared", "batch"}
    assert held == pools


def test_its_past_is_a_sound_ledger_of_many_holds(house: House) -> None:
    with house.database.read() as session:
        check_ledger(session)
        first, last, count = session.execute(
            select(func.min(Hold.started_at), func.max(Hold.started_at), func.count())
        ).one()
        assert count > 200
        assert (last - first).days >= DAYS - 1
        assert last <= house.now


def test_its_closed_days_know_what_was_used(house: House) -> None:
    assert close_days(house) >= DAYS - 1
    with house.database.read() as session:
        names = ("milli_seconds", "used_milli_seconds", "idle_milli_seconds")
        query = select(HoldDay.day, *(func.sum(getattr(HoldDay, name)) for name in names))
        days = session.execute(query.group_by(HoldDay.day)).all()
    for _, held, used, idle in days:
        assert used > 0
        assert idle > 0
        assert used + idle > held / 2


def test_more_than_half_is_held_and_people_find_what_they_are_promised(house: House) -> None:
    with house.database.read() as session:
        assert 0.5 < world.held_ratio(session, CLUSTER) < 0.76
        spare = reserve.spare(session, CLUSTER)
        assert spare.is_enough
        assert len(spare.large) >= 4
    assert house.request(required_memory_gb=40, count=1).phase is Phase.ALLOCATED
    assert house.request(required_memory_gb=10, use_mig=True).phase is Phase.ALLOCATED
    share = house.request(required_memory_gb=8, gpu_milli=250, model_preference=("t4",))
    assert "gpu-t4" in share.resources[0]


def test_the_same_seed_makes_the_same_fleet(house: House, tmp_path: Path) -> None:
    (tmp_path / "again").mkdir()
    other = House(prepared_database(tmp_path / "again"))
    demo.prepare(other, 7, tell=quiet, days=DAYS)
    seen = []
    for one in (house, other):
        with one.database.read() as session:
            query = select(Allocation.pod_name, Allocation.allocated_resource, Allocation.phase)
            seen.append(session.execute(query.order_by(Allocation.pod_name)).all())
    other.database.close()
    assert seen[0] == seen[1]


def test_hours_pass_and_the_ledger_stays_sound(house: House, running: Demo) -> None:
    mine = house.request(required_memory_gb=40)
    for _ in range(20):
        running.step(house.clock.forward(minutes=9))
        house.serve_queue()
        house.end_of_time()
        with house.database.read() as session:
            assert len(reserve.spare(session, CLUSTER).large) >= 4
    assert house.find(mine.allocation_id).phase is Phase.ALLOCATED
    with house.database.read() as session:
        check_ledger(session)
        assert 0.55 < world.held_ratio(session, CLUSTER) < 0.8
        ended = select(func.count()).where(Allocation.released_at > house.now.replace(hour=12))
        assert session.scalar(ended)


def test_it_gives_way_when_people_take_what_was_kept_for_them(house: House, running: Demo) -> None:
    with house.database.read() as session:
        free = len(reserve.spare(session, CLUSTER).large)
    taken = [
        house.request(required_memory_gb=40, node_selector=((POOL_LABEL, "research"),))
        for _ in range(free - 2)
    ]
    for _ in range(12):
        running.step(house.clock.forward(seconds=2))
    with house.database.read() as session:
        assert len(reserve.spare(session, CLUSTER).large) >= 4
        check_ledger(session)
    assert all(house.find(one.allocation_id).phase is Phase.ALLOCATED for one in taken)


def test_a_fleet_that_is_there_is_gone_on_with(house: House) -> None:
    told: list[str] = []
    demo.prepare(house, 7, tell=told.append)
    assert told == ["going on with the demonstration fleet of this database"]


def test_a_real_fleet_is_never_mixed_with_a_simulated_one(tmp_path: Path) -> None:
    house = House(prepared_database(tmp_path))
    house.node("real-01")
    with pytest.raises(FleetUnusable, match=r"1 node.* such as real-01; give another"):
        demo.prepare(house, 7, tell=quiet)
    house.database.close()


def test_a_new_fleet_has_idle_work_to_end_and_alerts_that_fire_with_the_first_look(
    house: House,
) -> None:
    now = house.clock()
    watch = Watch(house.database, Reader(Latest(Embedded()), house.desk), Terms(CLUSTER))
    watch.run(now)
    with house.database.read() as session:
        suggested = session.scalars(select(Suggestion)).all()
        fired = {alert.name: alert for alert in session.scalars(select(Alert))}
    assert len(suggested) >= 3
    assert all(one.evidence and one.status is Status.OPEN for one in suggested)
    assert fired["GPUUnavailable"].started_at < now - timedelta(hours=20)


def test_its_nodes_have_cpu_and_memory_that_pods_ask_for_and_use(
    house: House, running: Demo
) -> None:
    running.step(house.clock())
    with house.database.read() as session:
        nodes = session.scalars(select(ResourceNode)).all()
        held = dict(session.execute(select(Node.node_name, Node.cpu_held_milli)).all())
        pods = session.scalars(select(ResourcePod)).all()
    assert len(nodes) == 40
    daemons = {pod.cpu_requested_milli for pod in pods if pod.owner_kind == "DaemonSet"}
    beside = 550
    assert all(node.cpu_requested_milli == held[node.node_name] + beside for node in nodes)
    assert sum(daemons) == beside
    assert {Verdict.FITTING, Verdict.OVER_REQUESTED} <= {pod.verdict for pod in pods}
    assert all(node.cpu_used_milli and node.heat for node in nodes)
