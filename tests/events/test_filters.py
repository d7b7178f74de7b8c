from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest

from gpu_management.core.problems import ValidationFailed
from gpu_management.events.filters import GAP_GRACE, Interest, parse_types, settled
from tests.support.apps import NOON


@dataclass(frozen=True)
class Row:
    id: int
    created_at: datetime = NOON


def _ids(*numbers: int, after: int = 0, now: datetime = NOON) -> list[int]:
    return [row.id for row in settled([Row(n) for n in numbers], after=after, now=now)]


def test_without_gaps_everything_is_settled() -> None:
    assert _ids(1, 2, 3) == [1, 2, 3]
    assert _ids() == []


def test_a_fresh_gap_holds_what_comes_after_it() -> None:
    assert _ids(1, 2, 4, 5) == [1, 2]
    assert _ids(2, after=0) == []


def test_an_old_gap_was_a_rollback() -> None:
    assert _ids(1, 3, 7, now=NOON + GAP_GRACE) == [1, 3, 7]
    assert _ids(1, 3, now=NOON + GAP_GRACE - timedelta(milliseconds=1)) == [1]


@pytest.mark.parametrize(
    ("types", "kind", "wanted"),
    [
        (None, "allocation.created", True),
        ("*", "device.failure", True),
        ("allocation.created", "allocation.created", True),
        ("allocation.created", "allocation.created.late", False),
        ("device.*", "device.failure", True),
        ("device.*", "devices.failure", False),
        ("allocation.created, device.*", "device.overheating", True),
    ],
)
def test_types_are_named_one_by_one_or_by_family(
    types: str | None, kind: str, *, wanted: bool
) -> None:
    assert Interest(parse_types(types)).wants(kind, team=None, namespace=None) is wanted


@pytest.mark.parametrize("types", ["*.created", "a b", "Allocation.created", "a..b", "a.*.b"])
def test_what_is_no_type_is_refused(types: str) -> None:
    with pytest.raises(ValidationFailed, match="is not a type such as"):
        parse_types(types)


@pytest.mark.parametrize(
    ("listener", "team", "namespace", "seen"),
    [
        (None, "other", "other", True),
        ("ml", "ml", "ml", True),
        ("ml", "other", None, False),
        ("ml", None, None, True),
        ("ml", None, "somewhere", False),
        ("", None, None, True),
        ("", "ml", "ml", False),
    ],
)
def test_a_team_hears_of_itself_and_of_the_fleet(
    listener: str | None, team: str | None, namespace: str | None, *, seen: bool
) -> None:
    assert Interest(team=listener).wants("x.y", team=team, namespace=namespace) is seen
