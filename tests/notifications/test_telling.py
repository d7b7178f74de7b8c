from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_management.notifications.messages import Message, Severity
from gpu_management.notifications.telling import Happened, is_hushed, message_of
from tools.docs_events import KINDS

AT = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
ALERT = {
    "alertId": "a-1",
    "name": "GPUHighTemperature",
    "severity": "warning",
    "labels": {"gpu": "0", "instance": "gpu-worker-1"},
    "annotations": {"summary": "GPU 0 is hot", "description": "GPU 0 has 87.5 °C"},
    "value": 87.5,
    "threshold": 85.0,
    "startsAt": "2026-04-30T23:50:00.000Z",
    "deviceId": "gpu-worker-1-GPU-00",
    "allocations": ["x", "y"],
}


def told(kind: str, details: dict[str, Any], subject_id: str = "s-1") -> Message:
    return message_of(Happened(kind, kind.partition(".")[0], subject_id, details, AT))


def test_an_alert_says_what_its_annotations_say() -> None:
    message = told("alert.firing", ALERT)
    assert (message.title, message.text) == ("GPU 0 is hot", "GPU 0 has 87.5 °C")
    assert message.severity is Severity.WARNING
    assert not message.resolved
    assert message.also == "device.overheating"
    assert message.details["deviceId"] == "gpu-worker-1-GPU-00"
    assert message.details["node"] == "gpu-worker-1"
    assert message.details["temperature"] == 87.5
    assert message.details["allocations"] == "x, y"
    assert message.since == datetime(2026, 4, 30, 23, 50, tzinfo=UTC)


def test_an_alert_that_is_over_began_when_it_fired() -> None:
    message = told("alert.resolved", ALERT)
    assert message.resolved
    assert message.title == "Resolved: GPU 0 is hot"
    assert message.since == told("alert.firing", ALERT).since
    assert message.also is None


@pytest.mark.parametrize(
    ("word", "severity"),
    [("critical", "critical"), ("page", "warning"), (None, "warning"), ("Info", "info")],
)
def test_severities_are_the_four_that_pagerduty_knows(word: str | None, severity: str) -> None:
    assert told("alert.firing", {**ALERT, "severity": word}).severity == severity


def test_a_silenced_alert_is_hushed_and_nothing_else_is() -> None:
    quiet = Happened("alert.firing", "alert", "a", {"silenced": True}, AT)
    assert is_hushed(quiet)
    assert not is_hushed(Happened("alert.firing", "alert", "a", {"silenced": False}, AT))
    assert not is_hushed(Happened("device.state", "device", "a", {"silenced": True}, AT))


def test_a_failed_gpu_is_critical_and_says_why() -> None:
    failed = {"deviceId": "n1-GPU-00", "modelId": "t4", "reason": "XID 79"}
    message = told("device.failure", failed)
    assert message.severity is Severity.CRITICAL
    assert message.text == "n1-GPU-00 (t4): XID 79"


def test_what_is_not_known_reads_a_dash_or_the_subject() -> None:
    assert told("device.failure", {}, "n1-GPU-00").text == "n1-GPU-00 (n1-GPU-00): -"


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_of_event_can_be_told(kind: str) -> None:
    fields = dict.fromkeys(KINDS[kind][2].split(), "x")
    message = told(kind, fields)
    assert message.title
    assert message.text


@given(st.text(), st.dictionaries(st.text(), st.text() | st.integers() | st.none()))
def test_nothing_in_an_event_can_break_its_message(
    subject: str, details: dict[str, str | int | None]
) -> None:
    for kind in ("allocation.failed", "alert.firing", "something.new"):
        message = told(kind, details, subject)
        assert "\n" not in message.title + message.text
        assert len(message.text) <= 2000
