from sqlalchemy import select

from gpu_management.allocations import queries
from gpu_management.allocations.models import Allocation, Phase
from gpu_management.auth.access import Role
from gpu_management.core.paging import Page
from gpu_management.mig import service as mig
from tests.support.house import A100, House
from tests.support.principals import ADMIN, principal


def names(house: House, asked: queries.Filter, by: object = ADMIN) -> list[str]:
    with house.database.read() as session:
        found = queries.list_allocations(session, asked, principal=by, page=Page())  # type: ignore[arg-type]
        assert found.total == len(found.rows)
        return [row.pod_name for row in found.rows]


def test_the_newest_comes_first(house: House) -> None:
    house.node(gpus=3)
    for name in ("a", "b", "c"):
        house.clock.forward(seconds=1)
        house.request(pod_name=name)
    assert names(house, queries.Filter()) == ["c", "b", "a"]


def test_a_caller_sees_its_team_and_what_it_asked_for_itself(house: House) -> None:
    house.node(gpus=4)
    house.request(pod_name="team", team_id="t")
    house.request(pod_name="own", team_id="other", user_id="kim")
    house.request(pod_name="foreign", team_id="other", user_id="lee")
    house.request(pod_name="nobodys")
    user = principal(Role.USER, team="t", user="kim")
    assert set(names(house, queries.Filter(), user)) == {"team", "own"}
    assert names(house, queries.Filter(pod_name="foreign"), user) == []
    assert names(house, queries.Filter(), principal(Role.USER)) == []
    assert len(names(house, queries.Filter(), principal(Role.OPERATOR))) == 4


def test_a_device_is_asked_for_by_the_id_it_has_now(house: House) -> None:
    (name,) = house.node()
    made = house.request(pod_name="before")
    house.release(made.allocation_id)
    assert names(house, queries.Filter(device_id=name)) == ["before"]
    with house.device(name) as (session, device):
        mig.remove_device(session, device, now=house.now)
    house.node()
    assert names(house, queries.Filter(device_id=name)) == []


def test_several_phases_and_a_text_are_asked_for_at_once(house: House) -> None:
    house.node("n1", gpus=2)
    ended = house.request(pod_name="train-a", namespace="vision", team_id="Team_A")
    house.clock.forward(seconds=1)
    house.request(pod_name="train-b", user_id="kim")
    house.release(ended.allocation_id)
    both = (Phase.ALLOCATED, Phase.RELEASED)
    assert len(names(house, queries.Filter(phases=both))) == 2
    assert names(house, queries.Filter(phases=(Phase.RELEASED,))) == ["train-a"]
    assert names(house, queries.Filter(text="VISI")) == ["train-a"]
    assert names(house, queries.Filter(text="m_a")) == ["train-a"]
    assert names(house, queries.Filter(text="%")) == []
    assert names(house, queries.Filter(text="kim")) == ["train-b"]
    assert names(house, queries.Filter(text=ended.allocation_id[:8])) == ["train-a"]
    caller = house.client()
    shown = caller.get("/api/v1/gpu/allocations?phase=Released&phase=Allocated&search=train")
    assert [row["podName"] for row in shown.json()] == ["train-b", "train-a"]


def test_what_was_held_is_shown_after_its_slice_and_device_are_gone(house: House) -> None:
    (name,) = house.node(model=A100, layout=[])
    made = house.request(use_mig=True, required_memory_gb=40)
    house.clock.forward(hours=1)
    house.release(made.allocation_id)
    with house.device(name) as (session, device):
        mig.remove_device(session, device, now=house.now)
    with house.database.read() as session:
        allocation = session.scalars(select(Allocation)).one()
        book = house.keeper.book(session)
        shown = queries.describe_one(session, allocation, book, now=house.now)
    assert shown["mig_id"] == made.allocated_resource
    assert shown["holds"][0]["mig_id"] == made.allocated_resource
    assert shown["total_cost"] == made.cost_per_hour


def test_many_allocations_are_described_in_few_queries(house: House) -> None:
    house.node(gpus=1)
    for _ in range(30):
        house.request(gpu_milli=10)
    with house.database.read() as session:
        rows = list(session.scalars(select(Allocation)))
        found = queries.describe(session, rows, house.keeper.book(session), now=house.now)
    assert len({row["allocation_id"] for row in found}) == 30
    assert {row["total_cost"] for row in found} == {0}
