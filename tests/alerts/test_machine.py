"""How one alert moves, whatever the clock and the figures do."""

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from gpu_management.alerts.machine import (
    FLAP_HOLD_SECONDS,
    FLAPS,
    MOST_STEP_SECONDS,
    UNKNOWN_AT_MOST,
    Look,
    Move,
    Standing,
    State,
    move,
    step_of,
)

BEGAN = datetime(2026, 1, 2, tzinfo=UTC)
FOR = 300.0
SEEN = st.sampled_from([True, False, None])
STEPS = st.lists(st.tuples(st.integers(-7200, 7200), SEEN), max_size=80)
"""What the clock does between two looks, also backwards, and what the look sees."""


def _looks(steps: list[tuple[int, bool | None]]) -> list[tuple[Look, Standing | None, Move | None]]:
    now, before = BEGAN, None
    standing: Standing | None = None
    found = []
    for seconds, holds in steps:
        now += timedelta(seconds=seconds)
        look = Look(now, step_of(before, now), holds)
        standing, moved = move(standing, look, for_seconds=FOR)
        found.append((look, standing, moved))
        before = now
    return found


def _steady(*pairs: tuple[bool | None, int]) -> list[Move | None]:
    """Look every 15 seconds: so often with this in sight, then so often with that."""
    steps = [(15, holds) for holds, times in pairs for _ in range(times)]
    return [moved for _look, _standing, moved in _looks(steps)]


@given(STEPS)
def test_nothing_fires_before_its_condition_was_watched_long_enough(
    steps: list[tuple[int, bool | None]],
) -> None:
    watched: float | None = None
    for look, _standing, moved in _looks(steps):
        begun = 0.0 if watched is None else watched + look.step_seconds
        watched = begun if look.holds else None
        if moved is Move.FIRED:
            assert watched is not None
            assert watched >= FOR


@given(STEPS)
def test_firing_and_its_end_take_turns(steps: list[tuple[int, bool | None]]) -> None:
    moves = [moved for *_, moved in _looks(steps) if moved in {Move.FIRED, Move.RESOLVED}]
    assert moves == [Move.FIRED, Move.RESOLVED] * (len(moves) // 2) + [Move.FIRED] * (
        len(moves) % 2
    )


@given(STEPS)
def test_what_nobody_knows_ends_nothing_within_a_day(
    steps: list[tuple[int, bool | None]],
) -> None:
    known_at = BEGAN
    for look, _standing, moved in _looks(steps):
        if look.holds is not None:
            known_at = look.now
        elif moved is Move.RESOLVED:
            assert look.now - known_at >= UNKNOWN_AT_MOST - timedelta(hours=2)


@given(STEPS)
def test_lost_and_found_take_turns_while_it_fires(steps: list[tuple[int, bool | None]]) -> None:
    is_lost = False
    for _look, standing, moved in _looks(steps):
        if moved is Move.LOST:
            assert not is_lost
        if moved is Move.FOUND:
            assert is_lost
        is_lost = standing is not None and standing.unknown_since is not None


def test_it_fires_at_the_first_look_after_the_wait_and_ends_at_the_first_without_it() -> None:
    moves = _steady((True, 25), (False, 2))
    assert [place for place, moved in enumerate(moves) if moved is Move.FIRED] == [20]
    assert [place for place, moved in enumerate(moves) if moved is Move.RESOLVED] == [25]


def test_a_gap_begins_the_wait_anew() -> None:
    assert Move.FIRED not in _steady((True, 19), (None, 1), (True, 19))


def test_a_leap_of_the_clock_fires_nothing() -> None:
    found = _looks([(15, True), (86_400, True), (-86_400, True), (15, True)])
    assert all(moved is None for *_, moved in found)
    assert found[1][0].step_seconds == MOST_STEP_SECONDS
    assert found[2][0].step_seconds == 0


def test_one_without_a_wait_fires_at_once() -> None:
    look = Look(BEGAN, 0.0, holds=True)
    standing, moved = move(None, look, for_seconds=0)
    assert moved is Move.FIRED
    assert standing is not None
    assert standing.state is State.FIRING


def test_one_that_comes_and_goes_fires_on_until_it_is_calm() -> None:
    calm = int(FLAP_HOLD_SECONDS // 15)
    moves = _steady(*[(True, 21), (False, 1)] * FLAPS, (False, calm + 1))
    assert moves.count(Move.FIRED) == FLAPS
    last = max(place for place, moved in enumerate(moves) if moved is Move.FIRED)
    ended = [place for place, moved in enumerate(moves) if moved is Move.RESOLVED and place > last]
    assert len(ended) == 1
    assert (ended[0] - last) * 15 >= FLAP_HOLD_SECONDS


def test_a_calm_hour_makes_it_an_ordinary_one_again() -> None:
    calm = int(FLAP_HOLD_SECONDS // 15)
    moves = _steady(
        *[(True, 21), (False, 1)] * FLAPS, (False, calm + 1 + 240), (True, 21), (False, 1)
    )
    assert moves[-1] is Move.RESOLVED
