"""What an alert says."""

import pytest

from gpu_management.alerts.wording import duration, humanize, said


@pytest.mark.parametrize(
    ("value", "told"),
    [(0, "0"), (1440, "1.44k"), (0.05, "50m"), (999, "999"), (2.5e6, "2.5M"), (-1200, "-1.2k")],
)
def test_numbers_are_written_with_a_prefix_of_their_size(value: float, told: str) -> None:
    assert humanize(value) == told


@pytest.mark.parametrize(
    ("seconds", "told"), [(600, "10m 0s"), (59, "59s"), (3661, "1h 1m 1s"), (90_061, "1d 1h 1m 1s")]
)
def test_times_are_written_in_parts(seconds: float, told: str) -> None:
    assert duration(seconds) == told


def test_a_label_that_looks_like_a_template_stays_as_it_is() -> None:
    text = said("{{ $labels.a }} is {{ $value }}", {"a": "{{ $value }}"}, 1.5)
    assert text == "{{ $value }} is 1.5"
