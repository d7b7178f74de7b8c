import pytest

from gpu_management.metrics.arrivals import LiveInstance, numbered, plausible


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


def test_a_number_is_taken_when_one_instance_and_one_number_are_left() -> None:
    live = [LiveInstance(1, "3g.40gb", None), LiveInstance(2, "1g.10gb", 7)]
    assert numbered(live, {2: "3g.40gb", 7: "1g.10gb"}) == {1: 2}


def test_two_alike_stay_unknown_until_one_is_left() -> None:
    pair = [LiveInstance(1, "1g.10gb", None), LiveInstance(2, "1g.10gb", None)]
    assert numbered(pair, {7: "1g.10gb", 8: "1g.10gb"}) == {}
    assert numbered([pair[0], LiveInstance(2, "1g.10gb", 8)], {7: "1g.10gb", 8: "1g.10gb"}) == {
        1: 7
    }


def test_an_instance_whose_number_is_gone_takes_the_new_one() -> None:
    assert numbered([LiveInstance(1, "2g.20gb", 3)], {5: "2g.20gb"}) == {1: 5}


def test_a_number_without_a_profile_names_nobody() -> None:
    assert numbered([LiveInstance(1, "2g.20gb", None)], {5: None}) == {}
