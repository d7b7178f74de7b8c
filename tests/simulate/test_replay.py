"""A cluster trace as a fleet: its files, its nodes, its pods coming and going."""

import os
from dataclasses import replace
from pathlib import Path

import pytest
from sqlalchemy import func, select

from gpu_management.allocations.models import Allocation, Phase
from gpu_management.devices.models import Device, Node
from gpu_management.events.models import Event
from gpu_management.simulate import fleets, openb, openb_files
from gpu_management.simulate.fleets import FleetUnusable, Wanted
from gpu_management.simulate.replay import Replay, ask_of
from tests.support.house import CLUSTER, House
from tests.support.ledger import check_ledger

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("GPU_MANAGEMENT_TEST_DATA", ROOT.parent / "shared" / "data")) / "openb"

NODES = """sn,cpu_milli,memory_mib,gpu,model
a,64000,262144,2,P100
b,96000,393216,4,G2
c,96000,393216,0,
"""
PODS = """name,cpu_milli,memory_mib,num_gpu,gpu_milli,gpu_spec,qos,creation_time,deletion_time
first,4000,8192,1,1000,P100,LS,0,100
share,2000,4096,1,460,,BE,10,60
many,8000,8192,4,1000,,Burstable,20,50
cpu,8000,8192,0,0,,LS,20,50
late,1000,1024,2,1000,P100,LS,30,90
"""


def quiet(_message: str) -> None:
    """Say nothing."""


def files(folder: Path, nodes: str = NODES, pods: str = PODS) -> Wanted:
    (folder / "nodes.csv").write_text(nodes)
    (folder / "pods.csv").write_text(pods)
    return Wanted("openb", nodes=folder / "nodes.csv", pods=folder / "pods.csv")


def replay_of(house: House, wanted: Wanted, speed: float = 1.0) -> Replay:
    assert wanted.nodes is not None
    assert wanted.pods is not None
    openb.prepare(house, openb_files.read_node_plans(wanted.nodes), tell=quiet)
    return Replay(house, openb_files.read_trace_pods(wanted.pods), speed, quiet)


def test_nodes_and_gpus_are_registered_with_all_that_belongs_to_them(
    house: House, tmp_path: Path
) -> None:
    replay_of(house, files(tmp_path))
    with house.database.read() as session:
        check_ledger(session)
        query = select(Node.node_name, Node.rank, Node.cpu_total_milli).order_by(Node.rank)
        assert [tuple(row) for row in session.execute(query)] == [
            ("a", 0, 64000),
            ("b", 1, 96000),
            ("c", 2, 96000),
        ]
        models = dict(
            session.execute(select(Device.model_id, func.count()).group_by(Device.model_id)).all()
        )
        assert models == {"p100-pcie-16gb": 2, "openb-g2": 4}
        told = select(func.count()).where(Event.type == "device.registered")
        assert session.scalar(told) == 6


def test_pods_come_and_go_at_their_time(house: House, tmp_path: Path) -> None:
    replay = replay_of(house, files(tmp_path), speed=10)
    seen = []
    for _ in range(12):
        replay.step(house.clock())
        with house.database.read() as session:
            running = select(Allocation.pod_name).where(Allocation.phase == Phase.ALLOCATED)
            seen.append(set(session.scalars(running)))
            check_ledger(session)
        house.clock.forward(seconds=1)
    assert seen[0] == {"first"}
    assert seen[1] == {"first", "share"}
    assert seen[3] == {"first", "share", "many"}  # two P100 for the late one were not free
    assert seen[5] == {"first", "share"}
    assert seen[6] == {"first"}
    assert seen[7] == set()  # nothing else happens for three seconds, so they are skipped
    assert replay.is_over
    assert (replay.counts.placed, replay.counts.refused, replay.counts.skipped) == (3, 1, 1)


def test_empty_stretches_are_skipped(house: House, tmp_path: Path) -> None:
    pods = "\n".join([PODS.splitlines()[0], "only,1000,1024,1,1000,,LS,9000000,9000010"])
    replay = replay_of(house, files(tmp_path, pods=pods))
    replay.step(house.clock())
    assert replay.counts.placed == 1


def test_a_batch_that_fails_counts_for_nothing(house: House, tmp_path: Path) -> None:
    replay = replay_of(house, files(tmp_path))
    replay.pods = [replace(pod, name="Not a Name", cpu_milli=-1) for pod in replay.pods]
    replay.step(house.clock())
    assert replay.counts.refused == 1
    assert not replay.is_over


def test_a_restart_begins_again_with_an_idle_fleet(house: House, tmp_path: Path) -> None:
    wanted = files(tmp_path)
    replay_of(house, wanted).step(house.clock())
    own = house.request(required_memory_gb=1)
    house.restart()
    replay_of(house, wanted)
    with house.database.read() as session:
        left = select(Allocation.allocation_id).where(Allocation.phase == Phase.ALLOCATED)
        assert list(session.scalars(left)) == [own.allocation_id]


def test_another_file_than_the_fleet_came_from_is_refused(house: House, tmp_path: Path) -> None:
    replay_of(house, files(tmp_path))
    with pytest.raises(FleetUnusable, match="3 nodes and 6 GPUs, the file 3 and 5"):
        replay_of(house, files(tmp_path, nodes=NODES.replace("2,P100", "1,P100")))


@pytest.mark.parametrize(
    ("nodes", "complaint"),
    [
        ("", r"nodes\.csv: no column .*sn"),
        ("sn,cpu_milli,memory_mib,gpu,model\n", "nodes.csv: no rows"),
        (NODES.replace("G2", "Z9"), "nodes.csv line 3: unknown GPU model 'Z9'"),
        (NODES.replace("96000", "many"), "nodes.csv line 3"),
    ],
)
def test_bad_nodes_are_refused_with_file_and_line(
    tmp_path: Path, nodes: str, complaint: str
) -> None:
    wanted = files(tmp_path, nodes=nodes)
    assert wanted.nodes is not None
    with pytest.raises(FleetUnusable, match=complaint):
        openb_files.read_node_plans(wanted.nodes)


@pytest.mark.parametrize(
    ("pods", "complaint"),
    [
        (PODS.replace("deletion_time", "x"), "pods.csv: no column deletion_time"),
        (PODS.replace("10,60", "60,10"), "pods.csv line 3: share is deleted at 10"),
        (PODS.replace("460", "1460"), "pods.csv line 3: share asks for 1460"),
        (PODS.replace("4,1000", "4,500"), "pods.csv line 4: many asks for a part of 4 GPUs"),
        (PODS.replace("0,100", "0,"), "pods.csv line 2"),
    ],
)
def test_bad_pods_are_refused_with_file_and_line(tmp_path: Path, pods: str, complaint: str) -> None:
    wanted = files(tmp_path, pods=pods)
    assert wanted.pods is not None
    with pytest.raises(FleetUnusable, match=complaint):
        openb_files.read_trace_pods(wanted.pods)


def test_gpu_spec_is_what_will_do_and_nothing_else(tmp_path: Path) -> None:
    wanted = files(tmp_path, pods=PODS.replace("460,,", "460,V100M16|V100M32,"))
    assert wanted.pods is not None
    share = openb_files.read_trace_pods(wanted.pods)[1]
    assert ask_of(share).model_ids == ("v100-sxm2-16gb", "v100-sxm2-32gb")


@pytest.mark.parametrize(
    ("wanted", "complaint"),
    [
        (Wanted("mars"), "no fleet mars"),
        (Wanted("openb"), "needs --nodes FILE"),
        (Wanted("openb", nodes=Path("nowhere"), pods=Path("nowhere")), "there is no file nowhere"),
        (Wanted("demo", nodes=Path("x")), "--nodes: only for --fleet openb"),
        (
            Wanted("openb", nodes=ROOT / "README.md", pods=ROOT / "README.md", speed=-1),
            "--speed -1",
        ),
    ],
)
def test_wishes_that_cannot_be_met_are_refused(wanted: Wanted, complaint: str) -> None:
    with pytest.raises(FleetUnusable, match=complaint):
        fleets.check(wanted)


@pytest.mark.integration
def test_the_public_trace_plays_through_on_its_1213_nodes(house: House) -> None:
    if not DATA.is_dir():
        pytest.skip(f"the openb trace is not in {DATA.name}: set GPU_MANAGEMENT_TEST_DATA")
    wanted = Wanted(
        "openb",
        nodes=DATA / "openb_node_list_gpu_node.csv",
        pods=DATA / "openb_pod_list_default.csv",
    )
    fleets.check(wanted)
    replay = replay_of(house, wanted)
    end = max(pod.deleted_at for pod in replay.pods)
    for part in range(1, 5):
        to = end * part / 4 + 1
        while replay.advance(house.clock.forward(seconds=1), to=to, most=500) == 500:
            pass
        with house.database.read() as session:
            check_ledger(session)
    assert replay.is_over
    assert (replay.counts.placed, replay.counts.refused) == (7064, 0)
    assert replay.counts.ended == 7064
    with house.database.read() as session:
        assert session.scalar(select(func.sum(Device.held_milli))) == 0
        assert session.scalar(select(func.count()).select_from(Node)) == 1213
        assert session.scalar(select(func.count()).where(Device.cluster_name == CLUSTER)) == 6212


@pytest.mark.integration
def test_all_pods_at_once_are_refused_only_when_nothing_fits(house: House) -> None:
    if not DATA.is_dir():
        pytest.skip(f"the openb trace is not in {DATA.name}: set GPU_MANAGEMENT_TEST_DATA")
    wanted = Wanted(
        "openb",
        nodes=DATA / "openb_node_list_gpu_node.csv",
        pods=DATA / "openb_pod_list_default.csv",
    )
    replay = replay_of(house, wanted)
    nobody_leaves = [replace(pod, created_at=0, deleted_at=10) for pod in replay.pods]
    replay = Replay(house, nobody_leaves, 1.0, quiet)
    while replay.advance(house.clock.forward(seconds=1), to=0, most=1000) == 1000:
        pass
    with house.database.read() as session:
        check_ledger(session)
        held = session.scalar(select(func.sum(Device.held_milli)))
    asked = sum(pod.gpus * pod.gpu_milli for pod in nobody_leaves)
    assert replay.counts.placed + replay.counts.refused == 7064
    assert held is not None
    assert held > 0.9 * min(asked, 6_212_000)
    for row, pod in enumerate(nobody_leaves):
        if pod.gpus and row not in replay._running:
            with house.database.read() as session:
                house.office.placer.refresh(session)
            refusal = house.office.placer.place(ask_of(pod), kept_nodes=())
            assert not hasattr(refusal, "parts")
