from datetime import timedelta

from gpu_management.allocations import conditions
from tests.support.apps import NOON

LATER = NOON + timedelta(hours=1)


def test_without_a_cluster_the_ledger_holds_and_nothing_is_enforced() -> None:
    (only,) = conditions.standalone(NOON)
    assert (only["type"], only["status"], only["reason"]) == ("Enforced", "False", "Standalone")
    assert only["last_transition_time"] == "2026-03-02T12:00:00.000Z"


def test_one_condition_of_a_type_takes_the_place_of_the_one_before() -> None:
    first = conditions.entry("Idle", "True", reason="a", message="", now=NOON)
    second = conditions.entry("Idle", "False", reason="b", message="", now=LATER)
    changed = conditions.with_one([*conditions.standalone(NOON), first], second)
    assert [c["type"] for c in changed] == ["Enforced", "Idle"]
    assert not conditions.has(changed, "Idle")
    assert conditions.has([first], "Idle")


def test_what_ended_neither_expires_nor_is_being_released() -> None:
    before = [
        conditions.entry(kind, "True", reason="r", message="", now=NOON)
        for kind in ("Enforced", "Expiring", "Releasing")
    ]
    after = conditions.ended(before, reason="expired", now=LATER)
    assert [c["type"] for c in after] == ["Enforced", "Released"]
    assert after[-1]["message"] == "released: expired"
