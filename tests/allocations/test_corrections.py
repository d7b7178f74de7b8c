"""A hold that was wrong is replaced, never edited, and the ledger still adds up."""

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select

from gpu_management.allocations import corrections
from gpu_management.allocations.corrections import Correction
from gpu_management.allocations.errors import CorrectionInvalid, HoldNotFound, HoldNotOver
from gpu_management.allocations.models import Hold, HoldCorrection
from gpu_management.auth.access import Role
from gpu_management.auth.models import AuditEntry
from gpu_management.core.problems import Forbidden
from gpu_management.events.models import Event
from tests.support.house import A100, House
from tests.support.principals import ADMIN, principal


def correct(house: House, hold_id: int, *, by: Any = ADMIN, **told: Any) -> Hold:
    with house.database.write() as session:
        wanted = Correction(told.pop("reason", "wrong"), **told)
        return corrections.correct(session, hold_id, wanted, principal=by, now=house.now)


def over(house: House, **asked: Any) -> int:
    """Hold a GPU for two hours; return the hold's number."""
    made = house.request(**asked)
    house.clock.forward(hours=2)
    house.release(made.allocation_id)
    with house.database.read() as session:
        query = select(Hold.id).where(Hold.allocation_id == made.allocation_id)
        return session.scalars(query).one()


def cost(house: House) -> Any:
    with house.client() as caller:
        return caller.get("/api/v1/gpu/cost/analysis").json()["data"]


def test_a_correction_is_a_new_row_and_the_old_one_counts_no_more(house: House) -> None:
    house.node()
    wrong = over(house)
    before = cost(house)
    with house.database.read() as session:
        started = session.get_one(Hold, wrong).started_at
    right = correct(house, wrong, ended_at=started + timedelta(hours=1), reason="died at one")
    after = cost(house)
    assert (before["gpuHours"], after["gpuHours"]) == (2, 1)
    assert after["totalCost"] == pytest.approx(before["totalCost"] / 2)
    with house.database.read() as session:
        old, why = session.get_one(Hold, wrong), session.get_one(HoldCorrection, right.id)
        assert old.ended_at == started + timedelta(hours=2)
        assert right.corrects_id == wrong
        assert (why.reason, why.actor) == ("died at one", ADMIN.name)
        kinds = set(session.scalars(select(Event.type)))
        actions = set(session.scalars(select(AuditEntry.action)))
    assert "hold.corrected" in kinds
    assert "hold.correct" in actions


def test_an_end_at_the_start_means_that_nothing_was_held(house: House) -> None:
    house.node()
    wrong = over(house)
    with house.database.read() as session:
        started = session.get_one(Hold, wrong).started_at
    correct(house, wrong, ended_at=started)
    found = cost(house)
    assert (found["gpuHours"], found["totalCost"]) == (0, 0)
    assert found["buckets"]["free"]["gpuHours"] == found["buckets"]["gpuHours"] == 2


def test_what_cannot_have_been_is_refused(house: House) -> None:
    house.node()
    wrong = over(house)
    with house.database.read() as session:
        started = session.get_one(Hold, wrong).started_at
    bad: list[dict[str, Any]] = [
        {"ended_at": started - timedelta(seconds=1)},
        {"ended_at": house.now + timedelta(hours=1)},
        {"started_at": started - timedelta(days=1)},
        {"milli": 500},
    ]
    for told in bad:
        with pytest.raises(CorrectionInvalid):
            correct(house, wrong, **told)
    with pytest.raises(HoldNotFound):
        correct(house, 999_999)


def test_what_goes_on_or_was_replaced_is_not_corrected(house: House) -> None:
    house.node(gpus=2)
    wrong = over(house)
    correct(house, wrong)
    with pytest.raises(HoldNotOver, match="was replaced by hold"):
        correct(house, wrong)
    made = house.request()
    with house.database.read() as session:
        query = select(Hold.id).where(Hold.allocation_id == made.allocation_id)
        goes_on = session.scalars(query).one()
    with pytest.raises(HoldNotOver, match="goes on"):
        correct(house, goes_on)


def test_a_device_never_had_more_than_a_thousand_milli(house: House) -> None:
    house.node()
    first = over(house, gpu_milli=600)
    second = over(house, gpu_milli=600)
    with house.database.read() as session:
        started = session.get_one(Hold, first).started_at
    with pytest.raises(CorrectionInvalid, match="600 of 1000"):
        correct(house, second, started_at=started)
    right = correct(house, second, started_at=started, milli=400)
    assert right.milli == 400
    with pytest.raises(CorrectionInvalid, match="do not fit"):
        correct(house, right.id, milli=401)


def test_a_slice_never_had_two_owners(house: House) -> None:
    house.node(model=A100, layout=[("1g.10gb", 0)])
    asked = {"use_mig": True, "required_memory_gb": 10}
    first, second = over(house, **asked), over(house, **asked)
    with house.database.read() as session:
        started = session.get_one(Hold, first).started_at
        same = {session.get_one(Hold, pk).mig_instance_id for pk in (first, second)}
    assert len(same) == 1
    with pytest.raises(CorrectionInvalid, match="same slice"):
        correct(house, second, started_at=started + timedelta(hours=1))


@pytest.mark.parametrize("role", [Role.USER, Role.VIEWER, Role.OPERATOR])
def test_only_who_bills_corrects(house: House, role: Role) -> None:
    house.node()
    wrong = over(house)
    with pytest.raises(Forbidden):
        correct(house, wrong, by=principal(role))
    correct(house, wrong, by=principal(Role.FINANCE))


def test_a_leap_second_and_a_moment_without_a_zone_are_refused(house: House) -> None:
    house.node()
    wrong = over(house)
    with house.client() as caller:
        for told in ("2016-12-31T23:59:60Z", "2026-03-01T12:00:00"):
            body = {"endedAt": told, "reason": "clock"}
            path = f"/api/v1/gpu/ledger/holds/{wrong}/corrections"
            answer = caller.post(path, json=body)
            assert answer.status_code == 422, answer.text
        made = caller.post(path, json={"reason": "seen twice"})
    assert made.status_code == 201
    assert made.json()["correctsHoldId"] == wrong
