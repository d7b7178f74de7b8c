"""Any sequence of prices over any places, compared with what the rule says in one sentence."""

from datetime import timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from gpu_management.mig.geometry import load_geometries
from gpu_management.rates.book import Book, BookRow, Priced
from gpu_management.rates.models import ANYWHERE, SHARE, WHOLE_CARD
from gpu_management.rates.pricing import SliceRule, slice_rate_micros, slice_share
from tests.support.apps import NOON

GEOMETRY = "a100-sxm4-80gb"
PROFILES = ["1g.10gb", "3g.40gb"]
SECOND = timedelta(seconds=1)
CLUSTERS, POOLS = st.sampled_from([ANYWHERE, "c", "d"]), st.sampled_from([ANYWHERE, "p", "q"])
SECONDS = st.integers(0, 5_000)


@st.composite
def rows(draw: st.DrawFn) -> BookRow:
    part = draw(st.sampled_from([WHOLE_CARD, WHOLE_CARD, SHARE, *PROFILES]))
    micros, since = draw(st.integers(0, 9_000_000)), NOON + draw(SECONDS) * SECOND
    return BookRow("m", part, micros, since, draw(CLUSTERS), draw(POOLS))


def _subject(row: BookRow) -> tuple[object, ...]:
    return row.profile_name, row.cluster_name, row.node_pool, row.effective_from


BOOKS = st.lists(rows(), max_size=12, unique_by=_subject)


@st.composite
def things(draw: st.DrawFn) -> Priced:
    place = draw(CLUSTERS), draw(st.sampled_from([None, "p", "q"]))
    profile = draw(st.sampled_from([None, *PROFILES]))
    milli = draw(st.sampled_from([1000, 1000, 250, 1])) if profile is None else 125
    return Priced("m", GEOMETRY, profile, milli, *place)


def _by_the_rule(book: list[BookRow], thing: Priced, second: int) -> int | None:
    """Of the rows in force: the pool's, else the cluster's; there its own, else of the card."""
    moment = NOON + second * SECOND
    kind = thing.profile_name or (WHOLE_CARD if thing.milli == 1000 else SHARE)
    fitting = [
        row
        for row in book
        if row.effective_from <= moment
        and row.profile_name in {kind, WHOLE_CARD}
        and row.cluster_name in {thing.cluster_name, ANYWHERE}
        and row.node_pool in {thing.node_pool, ANYWHERE}
    ]
    if not fitting:
        return None
    best = max(
        fitting,
        key=lambda row: (
            row.node_pool != ANYWHERE,
            row.cluster_name != ANYWHERE,
            row.profile_name == kind,
            row.effective_from,
        ),
    )
    if best.profile_name == kind or thing.profile_name is None:
        return best.rate_micros
    share = slice_share(load_geometries()[GEOMETRY], thing.profile_name, SliceRule.DOMINANT_SHARE)
    return slice_rate_micros(best.rate_micros, share)


@given(BOOKS, things(), st.lists(SECONDS, min_size=1, max_size=5))
def test_the_price_of_any_moment_is_that_of_the_most_specific_place(
    book: list[BookRow], thing: Priced, seconds: list[int]
) -> None:
    periods = Book(book).periods(thing)
    for second in seconds:
        moment = NOON + second * SECOND
        found = [
            period.rate_micros
            for period in periods
            if period.starts_at <= moment and (period.ends_at is None or moment < period.ends_at)
        ]
        wanted = _by_the_rule(book, thing, second)
        assert found == ([] if wanted is None else [wanted])


@given(BOOKS, things())
def test_stretches_of_constant_price_follow_each_other_without_gap_or_overlap(
    book: list[BookRow], thing: Priced
) -> None:
    periods = Book(book).periods(thing)
    for earlier, later in pairwise(periods):
        assert earlier.starts_at < later.starts_at == earlier.ends_at
        assert earlier.rate_micros != later.rate_micros
    assert not periods or periods[-1].ends_at is None


@given(BOOKS, rows(), things(), st.tuples(SECONDS, SECONDS))
def test_a_later_price_never_changes_what_was_spent_before_its_moment(
    book: list[BookRow], later: BookRow, thing: Priced, span: tuple[int, int]
) -> None:
    known = [row for row in book if _subject(row) != _subject(later)]
    started, until = (NOON + second * SECOND for second in sorted(span))
    before = Book(known).cost_micros(
        thing, started_at=started, until=min(until, later.effective_from)
    )
    after = Book([*known, later]).cost_micros(
        thing, started_at=started, until=min(until, later.effective_from)
    )
    if before is None:
        assert not after
    else:
        assert after == before


@given(BOOKS, things(), st.sets(SECONDS, min_size=2, max_size=6))
def test_pieces_over_every_change_of_price_add_up(
    book: list[BookRow], thing: Priced, cuts: set[int]
) -> None:
    moments = [NOON + second * SECOND for second in sorted(cuts)]
    priced = Book(book)
    whole = priced.cost_micros(thing, started_at=moments[0], until=moments[-1])
    pieces = [
        priced.piece_micros(thing, started_at=moments[0], since=since, until=until)
        for since, until in pairwise(moments)
    ]
    assert sum(piece or 0 for piece in pieces) == (whole or 0)
