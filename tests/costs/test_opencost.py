"""Rows are grouped, filtered and shared out as OpenCost does it."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_management.costs.opencost import (
    CONTAINER,
    IDLE,
    Gpu,
    Row,
    grouped,
    parse_aggregate,
    parse_filter,
    share_idle,
)
from gpu_management.costs.opencost_shape import rounded
from gpu_management.costs.opencost_window import Unreadable


def row(micros: int, **told: str) -> Row:
    """Return an hour of a GPU with properties; `team` is a label."""
    known = {f"label:{name}" if name == "team" else name: value for name, value in told.items()}
    return Row(known, 0, 3600, 3_600_000, micros)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", CONTAINER),
        ("all", ()),
        ("namespace", ("namespace",)),
        ("cluster, namespace,label:app", ("cluster", "namespace", "label:app")),
        ("team,owner", ("label:team", "label:user")),
        ("Namespace,namespace", ("namespace",)),
        ("controllerKind,deployment,providerID", ("controllerkind", "deployment", "providerid")),
        ("annotation:a/b", ("annotation:a/b",)),
    ],
)
def test_words_of_opencost_are_understood(text: str, words: tuple[str, ...]) -> None:
    assert parse_aggregate(text) == words


@pytest.mark.parametrize("text", ["galaxy", "label", "label:", "namespace,x"])
def test_other_words_are_refused(text: str) -> None:
    with pytest.raises(Unreadable, match="invalid allocation property"):
        parse_aggregate(text)


def test_rows_are_named_by_their_values_and_unallocated_where_there_is_none() -> None:
    rows = [
        row(1, namespace="ml", team="a"),
        row(2, namespace="ml"),
        row(4, namespace="ml", team="a"),
        row(8, team="a"),
    ]
    sums = {name: r.micros for name, r in grouped(rows, ("namespace", "label:team")).items()}
    assert sums == {"__unallocated__/a": 8, "ml/__unallocated__": 2, "ml/a": 5}
    assert [r.micros for r in grouped(rows, ()).values()] == [15]


def test_a_row_keeps_what_all_its_pieces_have_in_common() -> None:
    first = Row(
        {"cluster": "c", "node": "n1"}, 0, 60, 60_000, 1, gpu=Gpu("g1", "t4", "u1", is_shared=False)
    )
    second = Row(
        {"cluster": "c", "node": "n2"}, 30, 90, 30_000, 2, gpu=Gpu("g2", "t4", "u2", is_shared=True)
    )
    joined = grouped([first, second], ("cluster",))["c"]
    assert joined == Row(
        {"cluster": "c"}, 0, 90, 90_000, 3, gpu=Gpu(None, "t4", None, is_shared=True)
    )


@pytest.mark.parametrize(
    ("text", "passes"),
    [
        ("", True),
        ('namespace:"ml"', True),
        ('namespace:"web","ml"', True),
        ('namespace:"web"', False),
        ('namespace!:"web"', True),
        ('namespace!:"web","ml"', False),
        ('namespace~:"m"', True),
        ('namespace<~:"l"', False),
        ('namespace~>:"l"', True),
        ('namespace!~:"m"', False),
        ('namespace:"ml"+label[team]:"a"', True),
        ('namespace:"ml" label:team:"b"', False),
        ('team:"a" + pod:""', True),
        ('pod:"__unallocated__"', True),
    ],
)
def test_filters_choose_rows(text: str, passes: bool) -> None:
    assert parse_filter(text)(row(1, namespace="ml", team="a").properties) is passes


@pytest.mark.parametrize(
    "text", ["namespace", 'namespace:"a"|pod:"b"', '(pod:"a")', 'galaxy:"x"', 'pod:"a"+', "x" * 999]
)
def test_other_filters_are_refused(text: str) -> None:
    with pytest.raises(Unreadable, match="Invalid 'filter' parameter") as told:
        parse_filter(text)
    assert len(str(told.value)) < 250


ROWS = st.lists(
    st.builds(
        row, st.integers(0, 10**12), cluster=st.sampled_from("ab"), node=st.sampled_from("xy")
    ),
    max_size=8,
)


@given(rows=ROWS, idle=ROWS, by_node=st.booleans())
def test_sharing_keeps_the_sum_to_the_micro(
    rows: list[Row],
    idle: list[Row],
    by_node: bool,
) -> None:
    shared = share_idle(rows, idle, by_node=by_node)
    assert sum(r.micros for r in shared) == sum(r.micros for r in (*rows, *idle))
    for before, after in zip(rows, shared, strict=False):
        assert after.micros - before.micros == after.idle_micros >= 0


def test_idle_time_is_shared_by_cost_within_its_place_and_stays_where_nobody_is() -> None:
    rows = [row(30, cluster="a", node="x"), row(10, cluster="a", node="y"), row(5, cluster="b")]
    idle = [row(100, cluster="a", node="y"), Row({"cluster": "c", IDLE: IDLE}, 0, 1, 1, 7)]
    by_cluster = share_idle(rows, idle, by_node=False)
    by_node = share_idle(rows, idle, by_node=True)
    assert [r.micros for r in by_cluster] == [105, 35, 5, 7]
    assert [r.micros for r in by_node] == [30, 110, 5, 7]
    assert list(grouped(by_node, ("cluster",))) == [IDLE, "a", "b"]


@pytest.mark.parametrize(
    ("exact", "told"),
    [("1.234564", 1.23456), ("1.234565", 1.23457), ("0", 0.0), ("1000000.000005", 1000000.00001)],
)
def test_numbers_have_five_decimals_and_halves_go_up(exact: str, told: float) -> None:
    assert rounded(Fraction(exact)) == told
