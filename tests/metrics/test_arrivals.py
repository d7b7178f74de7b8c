import pytest

from gpu_management.metrics.arrivals import LiveInstance, ToldInstance, numbered, plausible


@pytest.mark.parametrize(
    ("name", "value", "kept"),
    [
        ("gpu_util_pct", 100.0, 100.0),
        ("gpu_util_pct", 100.05, 100.0),
        ("gpu_util_pct", 150.0, None),
        ("sm_active_ratio", 0.25, 0.25),
        ("sm_active_ratio", 25.0, None),
        ("temperature_celsius", -5.0, -5.0),
        ("temperature_celsius", 9000.0, None),
        ("power_w", float("nan"), None),
        ("energy_mj", 4e12, 4e12),
        ("last_xid", 79.0, 79),
        ("memory_used_mib", float("inf"), None),
    ],
)
def test_what_cannot_be_is_unknown(name: str, value: float, kept: float | None) -> None:
    assert plausible(name, value) == kept


def told(**profiles: str) -> dict[int, ToldInstance]:
    """Return what an exporter tells: numbers such as n7, and profiles."""
    return {int(name[1:]): ToldInstance(profile) for name, profile in profiles.items()}


def test_a_number_is_taken_when_one_instance_and_one_number_are_left() -> None:
    live = [LiveInstance(1, "3g.40gb", None), LiveInstance(2, "1g.10gb", 7)]
    assert numbered(live, told(n2="3g.40gb", n7="1g.10gb")) == {1: 2}


def test_two_alike_stay_unknown_until_one_is_left() -> None:
    pair = [LiveInstance(1, "1g.10gb", None), LiveInstance(2, "1g.10gb", None)]
    both = told(n7="1g.10gb", n8="1g.10gb")
    assert numbered(pair, both) == {}
    assert numbered([pair[0], LiveInstance(2, "1g.10gb", 8)], both) == {1: 7}


def test_two_alike_are_told_apart_by_their_place() -> None:
    pair = [
        LiveInstance(1, "1g.10gb", None, None, 0),
        LiveInstance(2, "1g.10gb", None, None, 4),
    ]
    places = {
        7: ToldInstance("1g.10gb", None, 4),
        8: ToldInstance("1g.10gb", None, 0),
    }
    assert numbered(pair, places) == {1: 8, 2: 7}


def test_two_alike_are_told_apart_by_their_uuid() -> None:
    pair = [LiveInstance(1, "1g.10gb", 8, "MIG-a", 0), LiveInstance(2, "1g.10gb", 7, "MIG-b", 4)]
    uuids = {7: ToldInstance(None, "MIG-a"), 8: ToldInstance(None, "MIG-b")}
    assert numbered(pair, uuids) == {1: 7, 2: 8}


def test_a_number_that_went_to_another_is_unknown_again() -> None:
    pair = [LiveInstance(1, "1g.10gb", 7, "MIG-a", 0), LiveInstance(2, "1g.10gb", None, "MIG-b", 4)]
    moved = {7: ToldInstance("1g.10gb", "MIG-b")}
    assert numbered(pair, moved) == {1: None, 2: 7}


def test_what_stands_at_the_place_of_something_else_has_not_its_number() -> None:
    other = {7: ToldInstance("2g.20gb", None, 0)}
    assert numbered([LiveInstance(1, "1g.10gb", None, None, 0)], other) == {}
    newer = {7: ToldInstance("1g.10gb", "MIG-new", 0)}
    assert numbered([LiveInstance(1, "1g.10gb", None, "MIG-old", 0)], newer) == {1: 7}


def test_an_instance_whose_number_is_gone_takes_the_new_one() -> None:
    assert numbered([LiveInstance(1, "2g.20gb", 3)], told(n5="2g.20gb")) == {1: 5}


def test_a_number_without_a_profile_names_nobody() -> None:
    assert numbered([LiveInstance(1, "2g.20gb", None)], {5: ToldInstance(None)}) == {}
