from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy import select

from gpu_management.allocations import bulk, service
from gpu_management.allocations.errors import (
    AllocationEnded,
    AllocationInvalid,
    AllocationNotFound,
    GpuNotAvailable,
    IdempotencyKeyReused,
)
from gpu_management.allocations.models import Allocation, Hold, Phase
from gpu_management.auth.access import Role
from gpu_management.auth.models import AuditEntry, Team
from gpu_management.core.problems import Forbidden
from gpu_management.devices import library
from gpu_management.devices.models import DeviceState
from gpu_management.events.models import Event
from gpu_management.mig.errors import MigNotSupported
from gpu_management.rates import service as rates
from gpu_management.rates.service import Price
from tests.support.house import A100, H100, T4, V100, House, ask
from tests.support.ledger import check_ledger
from tests.support.principals import ADMIN, principal

USER = principal(Role.USER, team="ml-team", user="kim")


def _events(house: House) -> list[str]:
    with house.database.read() as session:
        query = select(Event.type).where(Event.subject_kind == "allocation").order_by(Event.id)
        return list(session.scalars(query))


def _team(house: House, name: str, namespaces: list[str]) -> Team:
    return Team(
        team_id=name,
        name=name,
        namespaces=namespaces,
        gpu_limit_milli=None,
        created_at=house.now,
        updated_at=house.now,
    )


def _refusal(house: House, **asked: Any) -> GpuNotAvailable:
    with pytest.raises(GpuNotAvailable) as refused:
        house.request(**asked)
    return refused.value


def test_a_request_gets_a_gpu_a_price_and_an_event(house: House) -> None:
    house.node(model=H100)
    made = house.request(required_memory_gb=80, max_duration_hours=2)
    assert made.phase is Phase.ALLOCATED
    assert made.allocated_resource == "n1-GPU-00"
    assert made.resources == ["n1-GPU-00"]
    assert made.node_name == "n1"
    assert made.cost_per_hour is not None
    assert made.cost_per_hour > 0
    assert made.allocated_at == house.now
    assert made.expires_at == house.now + timedelta(hours=2)
    assert made.conditions[0]["type"] == "Enforced"
    assert _events(house) == ["allocation.created"]


def test_several_gpus_stand_on_one_node(house: House) -> None:
    house.node("n1", gpus=3)
    house.node("n2", gpus=4)
    made = house.request(count=4)
    assert made.node_name == "n2"
    assert made.allocated_resource == ",".join(f"n2-GPU-0{n}" for n in range(4))
    assert made.cost_per_hour == 4 * (house.request().cost_per_hour or 0)
    refused = _refusal(house, count=4)
    assert "4 whole GPUs on one node" in refused.detail


def test_memory_is_compared_with_the_label(house: House) -> None:
    house.node(model=T4)
    assert house.request(required_memory_gb=16).phase is Phase.ALLOCATED


def test_more_memory_than_any_gpu_has_can_never_be_served(house: House) -> None:
    house.node(model=T4)
    with pytest.raises(AllocationInvalid, match="largest has 16 GB") as refused:
        house.request(required_memory_gb=17, wait_seconds=60)
    (fault,) = refused.value.errors
    assert (fault.field, fault.rule, fault.rejected) == ("requiredMemoryGb", "capacity", 17)
    assert refused.value.facts == {"largestMemoryGb": 16}


def test_a_slice_is_taken_where_it_is_idle_and_carved_where_it_is_not(house: House) -> None:
    house.node("n1", model=A100, layout=[("3g.40gb", 4)])
    idle = house.request(use_mig=True, required_memory_gb=40)
    carved = house.request(use_mig=True, required_memory_gb=40)
    assert idle.allocated_resource == "n1-GPU-00-MIG-3g.40gb-4"
    assert carved.allocated_resource == "n1-GPU-00-MIG-3g.40gb-0"
    refused = _refusal(house, use_mig=True, required_memory_gb=40)
    assert refused.facts["refusals"]
    with house.database.read() as session:
        check_ledger(session)


def test_idle_slices_make_room_for_what_is_asked(house: House) -> None:
    house.node(model=A100, layout=[("1g.10gb", n) for n in range(7)])
    made = house.request(use_mig=True, required_memory_gb=80)
    assert made.allocated_resource == "n1-GPU-00-MIG-7g.80gb-0"


def test_several_slices_stand_on_one_node(house: House) -> None:
    house.node("n1", gpus=1, model=A100, layout=[])
    house.node("n2", gpus=2, model=A100, layout=[])
    made = house.request(use_mig=True, required_memory_gb=40, count=4)
    assert made.node_name == "n2"
    assert len(set(made.resources)) == 4
    refused = _refusal(house, use_mig=True, required_memory_gb=40, count=3)
    assert refused.code == "GPU_NOT_AVAILABLE"
    with house.database.read() as session:
        check_ledger(session)


def test_a_slice_larger_than_any_profile_is_not_supported(house: House) -> None:
    house.node(model=A100, layout=[])
    with pytest.raises(MigNotSupported, match="largest has 80 GB"):
        house.request(use_mig=True, required_memory_gb=81)


def test_without_a_mig_model_a_slice_is_not_supported(house: House) -> None:
    house.node(model=T4)
    with pytest.raises(MigNotSupported, match="no model of it has MIG"):
        house.request(use_mig=True, required_memory_gb=5)


def test_a_whole_gpu_is_never_one_that_is_cut(house: House) -> None:
    house.node(model=A100, layout=[])
    refused = _refusal(house)
    assert {key: refused.facts["refusals"][0][key] for key in ("reason", "devices")} == {
        "reason": "MIG",
        "devices": 1,
    }


@pytest.mark.parametrize("state", [s for s in DeviceState if s is not DeviceState.READY])
def test_a_gpu_that_cannot_work_is_not_given(house: House, state: DeviceState) -> None:
    (device,) = house.node()
    house.set_state(device, state)
    assert _refusal(house).facts["refusals"][0]["reason"] == state.value
    house.set_state(device, DeviceState.READY)
    assert house.request().phase is Phase.ALLOCATED


def test_a_gpu_that_fails_keeps_its_owner(house: House) -> None:
    (device,) = house.node()
    made = house.request()
    house.set_state(device, DeviceState.FAILED)
    assert house.find(made.allocation_id).phase is Phase.ALLOCATED
    house.release(made.allocation_id)
    with house.database.read() as session:
        check_ledger(session)


def test_labels_and_preferred_models_choose_the_node(house: House) -> None:
    house.node("n1", model=T4, labels={"zone": "a"})
    house.node("n2", model=V100, labels={"zone": "b"})
    assert house.request(node_selector=(("zone", "b"),)).node_name == "n2"
    house.node("n3", model=V100)
    assert house.request(model_preference=(V100, T4)).node_name == "n3"
    assert house.request(model_preference=(V100, T4)).node_name == "n1"
    refused = _refusal(house, node_selector=(("zone", "c"),))
    assert refused.facts["refusals"][-1]["reason"] == "NODE_SELECTOR"


def test_a_refusal_says_what_each_class_of_candidates_lacked(house: House) -> None:
    house.node("n1", model=T4)
    house.node("n2", model=A100)
    house.request(required_memory_gb=80)
    refused = _refusal(house, required_memory_gb=40)
    assert refused.status == 409
    assert refused.headers["Retry-After"] == "30"
    assert {r["reason"] for r in refused.facts["refusals"]} == {"MEMORY", "FREE_MILLI"}


def test_in_an_empty_fleet_nothing_fits_yet(house: House) -> None:
    assert _refusal(house).status == 409


def test_the_same_key_gives_the_first_answer_even_after_its_end(house: House) -> None:
    house.node(gpus=2)
    first = house.request(key="k")
    assert house.request(key="k").allocation_id == first.allocation_id
    house.release(first.allocation_id)
    again = house.request(key="k")
    assert (again.allocation_id, again.phase) == (first.allocation_id, Phase.RELEASED)
    assert _events(house) == ["allocation.created", "allocation.released"]


def test_the_same_key_with_another_request_is_refused(house: House) -> None:
    house.node()
    house.request(key="k", gpu_milli=10)
    with pytest.raises(IdempotencyKeyReused):
        house.request(key="k", gpu_milli=20)


def test_a_refused_request_leaves_its_key_free(house: House) -> None:
    _refusal(house, key="k")
    house.node()
    assert house.request(key="k").phase is Phase.ALLOCATED


def test_keys_of_two_callers_are_two_keys(house: House) -> None:
    house.node(gpus=2)
    mine = house.request(key="k")
    other = principal(Role.USER, team="ml-team", user="kim")
    other = type(other)("somebody", other.roles, other.kind, user="kim", team="ml-team")
    assert house.request(key="k", by=other).allocation_id != mine.allocation_id


def test_all_of_a_list_or_none(house: House) -> None:
    house.node(gpus=2)
    asks = [ask(), ask(), ask()]
    with (
        pytest.raises(GpuNotAvailable, match="request 3 of 3") as refused,
        house.database.write() as session,
    ):
        bulk.request_all(session, house.office, asks, principal=ADMIN, now=house.now)
    assert refused.value.facts["failedRequest"] == 2
    with house.database.read() as session:
        assert not session.scalars(select(Allocation)).all()
        assert not session.scalars(select(Event).where(Event.subject_kind == "allocation")).all()
    assert house.request(count=2).phase is Phase.ALLOCATED  # and nothing of it is remembered


def test_requests_of_a_list_see_each_other(house: House) -> None:
    house.node("n1", gpus=2, model=A100, layout=[])
    asks = [ask(use_mig=True, required_memory_gb=40) for _ in range(4)]
    with house.database.write() as session:
        made = bulk.request_all(session, house.office, asks, principal=ADMIN, now=house.now)
    assert len({one.allocated_resource for one in made}) == 4
    with house.database.read() as session:
        check_ledger(session)


def test_a_preview_decides_like_the_request_and_holds_nothing(house: House) -> None:
    house.node(gpus=2)
    with house.database.read() as session:
        outcome = service.preview(session, house.office, ask(), principal=ADMIN, now=house.now)
    made = house.request()
    assert outcome.place is not None
    assert outcome.place.names == made.resources
    assert outcome.cost_per_hour == made.cost_per_hour
    with house.database.read() as session:
        assert len(session.scalars(select(Hold)).all()) == 1


def test_an_unknown_price_is_unknown_and_not_zero(house: House) -> None:
    with house.database.write() as session:
        facts = {"model_id": "own", "model_name": "Own", "manufacturer": "Us", "memory_gb": 24}
        facts |= {"architecture": None, "memory_mib": None, "tdp_watts": None}
        library.add_model(session, facts)
    house.node(model="own")
    made = house.request()
    assert made.cost_per_hour is None


def test_a_user_asks_and_releases_for_its_own_team_only(house: House) -> None:
    house.node(gpus=3)
    mine = house.request(by=USER)
    assert (mine.team_id, mine.user_id) == ("ml-team", "kim")
    theirs = house.request(team_id="other", user_id="lee")
    for told in ({"team_id": "other"}, {"team_id": "other", "user_id": "kim"}):
        with pytest.raises(Forbidden, match="acts for team ml-team"):
            house.request(by=USER, **told)
    for_a_colleague = house.request(by=USER, user_id="lee")
    assert (for_a_colleague.team_id, for_a_colleague.user_id) == ("ml-team", "lee")
    with pytest.raises(AllocationNotFound):
        house.release(theirs.allocation_id, by=USER)
    with pytest.raises(AllocationNotFound):
        house.extend(theirs.allocation_id, 1, by=USER)
    assert house.release(mine.allocation_id, by=USER).phase is Phase.RELEASED


def test_a_user_without_a_team_asks_for_itself_and_no_team_pays(house: House) -> None:
    house.node()
    with house.database.write() as session:
        session.add(_team(house, "vision", ["ml"]))
    loner = principal(Role.USER, user="kim")
    made = house.request(by=loner)
    assert (made.team_id, made.user_id) == (None, "kim")
    with pytest.raises(Forbidden):
        house.request(by=loner, user_id="lee")


@pytest.mark.parametrize("role", [Role.VIEWER, Role.FINANCE])
def test_who_only_looks_cannot_take_or_give(house: House, role: Role) -> None:
    house.node()
    made = house.request()
    looker = principal(role)
    with pytest.raises(Forbidden):
        house.request(by=looker)
    with pytest.raises(Forbidden):
        house.release(made.allocation_id, by=looker)
    with pytest.raises(Forbidden):
        house.extend(made.allocation_id, 1, by=looker)


def test_the_namespace_tells_the_team_where_nobody_else_does(house: House) -> None:
    house.node()
    with house.database.write() as session:
        session.add(_team(house, "vision", ["ml"]))
    assert house.request().team_id == "vision"


def test_a_second_release_changes_nothing(house: House) -> None:
    house.node()
    made = house.request()
    first = house.release(made.allocation_id)
    house.clock.forward(hours=1)
    second = house.release(made.allocation_id)
    assert second.released_at == first.released_at
    assert second.edition == first.edition
    assert _events(house) == ["allocation.created", "allocation.released"]


def test_releasing_what_waits_ends_the_waiting(house: House) -> None:
    queued = house.request(wait_seconds=60)
    assert queued.phase is Phase.PENDING
    released = house.release(queued.allocation_id)
    assert released.phase is Phase.RELEASED
    house.node()
    assert house.serve_queue() == 0


def test_an_unknown_allocation_is_not_found(house: House) -> None:
    with pytest.raises(AllocationNotFound):
        house.release("nobody")


def test_an_allocation_is_extended_up_to_a_week(house: House) -> None:
    house.node(gpus=2)
    made = house.request(max_duration_hours=24)
    longer = house.extend(made.allocation_id, 144)
    assert longer.expires_at == house.now + timedelta(hours=168)
    assert longer.edition == made.edition + 1
    with pytest.raises(AllocationInvalid, match="at most 0 h"):
        house.extend(made.allocation_id, 1)
    endless = house.request()
    with pytest.raises(AllocationInvalid, match="does not expire"):
        house.extend(endless.allocation_id, 1)
    house.release(made.allocation_id)
    with pytest.raises(AllocationEnded, match="is Released"):
        house.extend(made.allocation_id, 1)


def test_every_deed_is_audited_with_who_and_what(house: House) -> None:
    house.node()
    made = house.request(by=USER, max_duration_hours=1)
    house.extend(made.allocation_id, 1, by=USER)
    house.release(made.allocation_id, by=USER)
    with house.database.read() as session:
        rows = session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
    assert [row.action for row in rows] == [
        "allocation.create",
        "allocation.extend",
        "allocation.release",
    ]
    assert {row.target_id for row in rows} == {made.allocation_id}


def test_a_price_of_the_moment_stays_the_price_of_the_allocation(house: House) -> None:
    house.node(gpus=2)
    before = house.request()
    house.clock.forward(hours=1)
    with house.database.write() as session:
        rates.set_rate(session, Price(T4, Decimal("9.5")), principal=ADMIN, now=house.now)
    assert house.request().cost_per_hour == Decimal("9.5")
    assert house.find(before.allocation_id).cost_per_hour == before.cost_per_hour
