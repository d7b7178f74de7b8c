from decimal import Decimal

from sqlalchemy import select

from gpu_management.core.settings import Billing
from gpu_management.devices import bulk, service
from gpu_management.devices.models import Device, DeviceState, DeviceStateInterval, Node
from gpu_management.devices.pools import WELL_KNOWN_LABELS, pool_of
from gpu_management.devices.service import DeviceFacts, NodeFacts
from gpu_management.rates.service import Price, set_rate
from tests.support.house import CLUSTER, T4, House
from tests.support.ledger import check_ledger
from tests.support.principals import ADMIN

GKE = "cloud.google.com/gke-nodepool"
OURS = "gpu.company.com/node-pool"


def _relabel(house: House, **labels: str) -> None:
    told = {name.replace("_", "-"): pool for name, pool in labels.items()}
    with house.database.write() as session:
        node = service.find_node(session, CLUSTER, "n1")
        names = ("pool", "spare")
        facts = NodeFacts(labels=told)
        service.change_node(session, node, facts=facts, now=house.now, pool_labels=names)


def _stretches(house: House) -> list[tuple[str | None, DeviceState, str | None, bool]]:
    with house.database.read() as session:
        check_ledger(session)
        rows = session.scalars(select(DeviceStateInterval).order_by(DeviceStateInterval.id))
        return [(row.node_pool, row.state, row.reason, row.ended_at is None) for row in rows]


def test_the_setting_begins_with_the_well_known_labels() -> None:
    assert Billing().node_pool_labels == WELL_KNOWN_LABELS


def test_the_first_label_found_names_the_pool() -> None:
    assert pool_of({GKE: "gke", OURS: "ours", "zone": "z"}) == "ours"
    assert pool_of({GKE: "gke"}) == "gke"
    assert pool_of({OURS: "", GKE: "gke"}) == "gke"
    assert pool_of({OURS: "*"}) is None
    assert pool_of({}) is None
    assert pool_of({"mine": "m", GKE: "gke"}, ("mine",)) == "m"


def test_a_node_is_in_the_pool_its_labels_name_and_so_are_its_timelines(house: House) -> None:
    house.node(labels={GKE: "a"}, gpus=2)
    assert _stretches(house) == [("a", DeviceState.READY, "registered", True)] * 2
    house.node(gpus=0)  # nothing told about labels: the pool stays
    with house.database.read() as session:
        assert session.scalars(select(Node.node_pool)).all() == ["a"]


def test_a_timeline_goes_on_in_the_new_pool_when_the_node_moves(house: House) -> None:
    (device,) = house.node()
    house.set_state(device, DeviceState.FAILED, "xid 79")
    house.clock.forward(seconds=60)
    _relabel(house, pool="a", spare="b")
    _relabel(house, pool="a")
    house.clock.forward(seconds=60)
    _relabel(house, other="x")
    assert _stretches(house) == [
        (None, DeviceState.READY, "registered", False),
        (None, DeviceState.FAILED, "xid 79", False),
        ("a", DeviceState.FAILED, "xid 79", False),
        (None, DeviceState.FAILED, "xid 79", True),
    ]
    house.set_state(device, DeviceState.READY)
    assert _stretches(house)[-1][0] is None


def test_stretches_of_two_pools_meet_in_one_second(house: House) -> None:
    house.node()
    house.clock.forward(seconds=60)
    _relabel(house, pool="a")
    with house.database.read() as session:
        first, second = session.scalars(
            select(DeviceStateInterval).order_by(DeviceStateInterval.id)
        )
        assert first.ended_at == second.started_at == house.now


def test_other_labels_may_count_after_a_restart(house: House) -> None:
    house.node(labels={GKE: "a", "mine": "b"})
    house.node("n2", labels={GKE: "a"})
    house.clock.forward(seconds=60)

    def settle(*names: str) -> int:
        with house.database.write() as session:
            return bulk.settle_pools(session, CLUSTER, names, now=house.now)

    assert settle(*WELL_KNOWN_LABELS) == 0
    assert settle("mine", GKE) == 1
    with house.database.read() as session:
        rows = session.execute(select(Node.node_name, Node.node_pool).order_by(Node.node_name))
        assert [tuple(row) for row in rows] == [("n1", "b"), ("n2", "a")]
    assert [stretch[0] for stretch in _stretches(house)] == ["a", "a", "b"]


def test_placement_sees_the_price_of_the_new_pool(house: House) -> None:
    house.node()
    with house.database.write() as session:
        price = Price(T4, Decimal(9), node_pool="a")
        set_rate(session, price, principal=ADMIN, now=house.now)

    def cost() -> Decimal | None:
        made = house.request()
        house.release(made.allocation_id)
        return made.cost_per_hour

    assert cost() == Decimal("0.526")
    _relabel(house, pool="a")
    assert cost() == 9
    with house.database.read() as session:
        device, node = session.scalars(select(Device)).one(), session.scalars(select(Node)).one()
        assert device.revision >= node.revision > 0
    _relabel(house, other="a")
    assert cost() == Decimal("0.526")


def test_a_device_that_left_the_fleet_has_no_timeline_to_go_on(house: House) -> None:
    (device,) = house.node()
    with house.device(device) as (session, row):
        service.remove(session, row, now=house.now)
    _relabel(house, pool="a")
    assert len(_stretches(house)) == 1


def test_a_fleet_registered_at_once_is_in_its_pools_too(house: House) -> None:
    one, none = DeviceFacts(model_id=T4), NodeFacts()
    plans = [
        bulk.NodePlan("n1", NodeFacts(labels={GKE: "a"}), [one, one]),
        bulk.NodePlan("n2", none, [one]),
    ]
    with house.database.write() as session:
        bulk.register_all(session, CLUSTER, plans, now=house.now)
    with house.database.read() as session:
        query = (
            select(Device.device_id, Node.node_pool, DeviceStateInterval.node_pool)
            .join(Node, Node.id == Device.node_id)
            .join(DeviceStateInterval, DeviceStateInterval.device_id == Device.id)
            .order_by(Device.device_id)
        )
        assert [tuple(row)[1:] for row in session.execute(query)] == [("a", "a")] * 2 + [
            (None,) * 2
        ]


def test_the_api_reads_the_pool_from_the_labels_of_the_setting(house: House) -> None:
    house.node()
    with house.client(node_pool_labels=("mine",)) as client:
        body = {"labels": {"mine": "gold", GKE: "other"}}
        assert client.put("/api/v1/gpu/nodes/n1", json=body).status_code == 204
    with house.database.read() as session:
        assert session.scalars(select(Node.node_pool)).all() == ["gold"]
