"""Which alerts a silence covers."""

from datetime import UTC, datetime, timedelta

import pytest

from gpu_management.alerts.models import Silence
from gpu_management.alerts.silences import Matcher, Operator, in_force, silenced_by

NOON = datetime(2026, 1, 2, 12, tzinfo=UTC)
LABELS = {"alertname": "GPUHighTemperature", "instance": "gpu-worker-12"}


@pytest.mark.parametrize(
    ("operator", "value", "covers"),
    [
        (Operator.IS, "gpu-worker-12", True),
        (Operator.IS, "gpu-worker-1", False),
        (Operator.IS_NOT, "gpu-worker-1", True),
        (Operator.LIKE, "gpu-worker-1*", True),
        (Operator.LIKE, "worker", False),
        (Operator.UNLIKE, "cpu-*", True),
        (Operator.LIKE, "[g]pu-worker-12", False),
    ],
)
def test_a_matcher_compares_a_label(operator: Operator, value: str, *, covers: bool) -> None:
    assert Matcher("instance", operator, value).covers(LABELS) is covers


def _silence(**changes: object) -> Silence:
    matchers = [{"name": "instance", "operator": "=", "value": "gpu-worker-12"}]
    plain: dict[str, object] = {
        "silence_id": "s",
        "matchers": matchers,
        "starts_at": NOON,
        "ends_at": NOON + timedelta(hours=1),
    }
    return Silence(**plain | changes)


@pytest.mark.parametrize(("minutes", "by"), [(-1, None), (0, "s"), (59, "s"), (60, None)])
def test_a_silence_holds_from_its_beginning_until_before_its_end(
    minutes: int, by: str | None
) -> None:
    hushes = in_force([_silence()], NOON + timedelta(minutes=minutes))
    assert silenced_by(hushes, LABELS) == by


def test_every_matcher_must_fit() -> None:
    both = [
        {"name": "instance", "operator": "=", "value": "gpu-worker-12"},
        {"name": "alertname", "operator": "=", "value": "GPUGone"},
    ]
    assert silenced_by(in_force([_silence(matchers=both)], NOON), LABELS) is None
