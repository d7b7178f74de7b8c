"""What sensors and errors say about a GPU."""

from dataclasses import replace

import pytest

from gpu_management.devices.catalog import ThermalLimits
from gpu_management.devices.health import (
    APPLICATION_XIDS,
    FAILING_XIDS,
    HARDWARE_XIDS,
    SUSPECT_XIDS,
    Verdict,
    Vitals,
    judge,
)

LIMITS = ThermalLimits(85, 89, 92, 95)
WELL = Vitals(is_measured=True, node_answers=True, temperature_celsius=60, last_xid=0)


def test_a_gpu_of_which_nothing_bad_is_known_is_healthy() -> None:
    assert judge(WELL, LIMITS).verdict is Verdict.HEALTHY
    nothing = Vitals(is_measured=True, node_answers=True)
    assert judge(nothing, None).verdict is Verdict.HEALTHY


@pytest.mark.parametrize("code", sorted(APPLICATION_XIDS))
def test_errors_of_applications_say_nothing_about_the_hardware(code: int) -> None:
    assert judge(replace(WELL, last_xid=code), LIMITS).verdict is Verdict.HEALTHY


@pytest.mark.parametrize("code", sorted(HARDWARE_XIDS))
def test_errors_of_hardware_tell_what_to_do(code: int) -> None:
    told = judge(replace(WELL, last_xid=code), LIMITS)
    (finding,) = told.findings
    assert told.verdict is (Verdict.FAILING if code in FAILING_XIDS else Verdict.SUSPECT)
    assert finding.code == f"xid-{code}"
    assert finding.message.startswith(f"XID {code}: ")


def test_every_error_is_of_one_class() -> None:
    assert not set(SUSPECT_XIDS) & set(FAILING_XIDS)
    assert not HARDWARE_XIDS & APPLICATION_XIDS


@pytest.mark.parametrize(("celsius", "verdict"), [(85.9, "healthy"), (86, "suspect")])
def test_heat_is_measured_by_the_limit_of_the_model(celsius: float, verdict: str) -> None:
    assert judge(replace(WELL, temperature_celsius=celsius), LIMITS).verdict == verdict


def test_without_a_known_limit_no_temperature_speaks_against_a_gpu() -> None:
    hot = replace(WELL, temperature_celsius=99)
    assert judge(hot, None).verdict is Verdict.HEALTHY
    assert judge(hot, ThermalLimits(None, None, None, None)).verdict is Verdict.HEALTHY


@pytest.mark.parametrize(
    ("change", "verdict"),
    [
        ({"remap_failed": True}, "failing"),
        ({"remap_failed": False}, "healthy"),
        ({"double_bit": 2.0}, "suspect"),
        ({"double_bit": 0.0}, "healthy"),
        ({"throttled_ratio": 0.5}, "suspect"),
        ({"throttled_ratio": 0.1}, "healthy"),
    ],
)
def test_memory_and_throttling_speak(change: dict[str, float], verdict: str) -> None:
    assert judge(replace(WELL, **change), LIMITS).verdict == verdict


def test_the_gravest_finding_comes_first_and_is_the_verdict() -> None:
    told = judge(replace(WELL, double_bit=1.0, temperature_celsius=90, last_xid=79), LIMITS)
    assert told.verdict is Verdict.FAILING
    assert [one.code for one in told.findings] == ["xid-79", "double-bit-errors", "hot"]


def test_silence_of_a_whole_node_is_no_verdict() -> None:
    told = judge(Vitals(is_measured=False, node_answers=False), LIMITS)
    assert told.verdict is Verdict.UNKNOWN
    assert [one.code for one in told.findings] == ["exporter-silent"]


def test_a_gpu_that_alone_falls_silent_is_suspect_and_after_xid_79_failing() -> None:
    gone = Vitals(is_measured=False, node_answers=True)
    assert judge(gone, LIMITS).verdict is Verdict.SUSPECT
    assert judge(replace(gone, last_xid=79), LIMITS).verdict is Verdict.FAILING


def test_one_that_was_never_measured_is_unknown_and_not_gone() -> None:
    never = Vitals(is_measured=False, node_answers=True, was_ever_measured=False)
    assert [one.code for one in judge(never, LIMITS).findings] == ["unmeasured"]
