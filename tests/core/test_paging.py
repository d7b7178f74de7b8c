import base64
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from gpu_management.core.paging import Page, list_rows
from gpu_management.core.problems import ValidationFailed
from gpu_management.devices.models import Cluster
from tests.support.apps import NOON
from tests.support.house import House, prepared_database

SORTS = {"createdAt": Cluster.created_at, "revision": Cluster.revision, "name": Cluster.name}


def fill(house: House, rows: list[tuple[int, int]]) -> None:
    with house.database.write() as session:
        for number, (revision, seconds) in enumerate(rows):
            moment = NOON + timedelta(milliseconds=seconds)
            session.add(Cluster(name=f"c{number}", revision=revision, created_at=moment))


def names(house: House, page: Page) -> tuple[list[str], int, str | None]:
    with house.database.read() as session:
        found = list_rows(session, select(Cluster), sorts=SORTS, key=Cluster.name, page=page)
        return [row[0].name for row in found.rows], found.total, found.next_cursor


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 2)), max_size=9),
    limit=st.integers(1, 5),
    sort=st.sampled_from(("createdAt", "-createdAt", "revision", "-revision", "name", "-name")),
)
def test_pages_cover_the_list_exactly_once_in_its_order(
    tmp_path_factory: pytest.TempPathFactory,
    rows: list[tuple[int, int]],
    limit: int,
    sort: str,
) -> None:
    database = prepared_database(tmp_path_factory.mktemp("paging"))
    house = House(database)
    fill(house, rows)
    whole, total, nothing = names(house, Page(sort=sort))
    assert (total, nothing) == (len(rows) + 1, None)
    seen: list[str] = []
    cursor = None
    for _ in range(len(rows) + 2):
        some, said, cursor = names(house, Page(limit, cursor, sort))
        assert said == total
        seen += some
        if cursor is None:
            break
    assert seen == whole
    database.close()


def test_rows_that_come_meanwhile_shift_no_page(house: House) -> None:
    fill(house, [(0, n) for n in range(1, 6)])
    first, _, cursor = names(house, Page(2, None, "createdAt"))
    with house.database.write() as session:
        session.add(Cluster(name="early", revision=0, created_at=NOON - timedelta(days=1)))
    second, _, _ = names(house, Page(2, cursor, "createdAt"))
    assert not set(first) & set(second)
    assert second == ["c1", "c2"]


def packed(value: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


MOMENT = {"t": "2026-01-01T00:00:00+00:00"}
FOREIGN = [
    "x",
    "!!",
    "é",
    "\x00",
    packed(5),
    packed({"a": 1}),
    packed([]),
    packed(["createdAt"]),
    packed(["createdAt", MOMENT]),
    packed(["createdAt", MOMENT, "a", "b"]),
    packed(["createdAt", MOMENT, 1]),
    packed(["createdAt", MOMENT, [1]]),
    packed(["createdAt", "2026", "a"]),
    packed(["createdAt", {"t": 5}, "a"]),
    packed(["createdAt", {"t": "2026-01-01T00:00:00"}, "a"]),
    packed(["createdAt", {"t": "soon"}, "a"]),
    packed(["createdAt", {}, "a"]),
    packed(["createdAt", {"t": "0001-01-01T00:00:00+23:00"}, "a"]),
    packed(["createdAt", None, "a"]),
]


@pytest.mark.parametrize("cursor", FOREIGN, ids=range(len(FOREIGN)))
def test_a_cursor_that_is_not_ours_is_refused(house: House, cursor: str) -> None:
    with pytest.raises(ValidationFailed, match="the cursor") as refused:
        names(house, Page(1, cursor, "createdAt"))
    assert refused.value.errors[0].field == "cursor"


@pytest.mark.parametrize("value", [True, 1.5, 2**63, "1", None])
def test_a_number_in_a_cursor_is_a_number_the_column_can_hold(house: House, value: Any) -> None:
    with pytest.raises(ValidationFailed):
        names(house, Page(1, packed(["revision", value, "a"]), "revision"))
    assert names(house, Page(1, packed(["revision", -1, "a"]), "revision"))[0] == ["test"]


def test_a_cursor_of_another_order_says_so(house: House) -> None:
    fill(house, [(0, 0)])
    _, _, cursor = names(house, Page(1, None, "name"))
    with pytest.raises(ValidationFailed, match="belongs to sort=name") as refused:
        names(house, Page(1, cursor, "-name"))
    assert refused.value.errors[0].rule == "sort"


def test_an_unknown_order_names_the_nearest(house: House) -> None:
    with pytest.raises(ValidationFailed, match="did you mean createdAt"):
        names(house, Page(sort="created"))
