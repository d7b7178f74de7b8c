from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_management.notifications.messages import Message, Severity
from gpu_management.notifications.routing import QuietHours, Route, due_at
from gpu_management.notifications.telling import Happened, message_of

AT = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
SEOUL = ZoneInfo("Asia/Seoul")
BERLIN = ZoneInfo("Europe/Berlin")


def heat(severity: str = "warning") -> Message:
    details = {
        "name": "GPUHighTemperature",
        "severity": severity,
        "labels": {"gpu": "0", "rack": "r1"},
    }
    return message_of(Happened("alert.firing", "alert", "a-1", details, AT))


@pytest.mark.parametrize(
    ("events", "told"),
    [
        ((), "alert.firing"),
        (("alert.*",), "alert.firing"),
        (("alert.firing", "device.failure"), "alert.firing"),
        (("device.overheating",), "device.overheating"),
        (("device.*",), "device.overheating"),
        (("alert.resolved",), None),
        (("alert",), None),
    ],
)
def test_an_alert_about_heat_is_told_under_the_name_that_is_asked_for(
    events: tuple[str, ...], told: str | None
) -> None:
    assert Route(events).told_as(heat(), team=None) == told


def test_what_is_less_severe_than_asked_for_is_not_told() -> None:
    route = Route(min_severity=Severity.ERROR)
    assert route.told_as(heat("warning"), team=None) is None
    assert route.told_as(heat("critical"), team=None) == "alert.firing"


def test_a_channel_of_teams_hears_of_these_teams_only() -> None:
    route = Route(teams=("ml",))
    assert route.told_as(heat(), team="ml") == "alert.firing"
    assert route.told_as(heat(), team="web") is None
    assert route.told_as(heat(), team=None) is None


def test_labels_and_details_narrow_what_is_told() -> None:
    assert Route(labels={"rack": "r1"}).told_as(heat(), team=None)
    assert Route(labels={"alert": "GPUHighTemperature"}).told_as(heat(), team=None)
    assert Route(labels={"rack": "r2"}).told_as(heat(), team=None) is None
    assert Route(labels={"nothing": "x"}).told_as(heat(), team=None) is None


def test_quiet_hours_may_pass_midnight_in_their_own_zone() -> None:
    quiet = QuietHours(time(22), time(7), SEOUL)
    night = datetime(2026, 5, 1, 14, 0, tzinfo=UTC)  # 23:00 in Seoul
    assert quiet.ends(night) == datetime(2026, 5, 1, 22, 0, tzinfo=UTC)
    morning = datetime(2026, 5, 1, 21, 59, tzinfo=UTC)
    assert quiet.ends(morning) == datetime(2026, 5, 1, 22, 0, tzinfo=UTC)
    assert quiet.ends(datetime(2026, 5, 1, 22, 0, tzinfo=UTC)) is None
    assert quiet.ends(datetime(2026, 5, 1, 12, 59, tzinfo=UTC)) is None


def test_quiet_hours_end_by_the_clock_on_the_wall_when_summer_begins() -> None:
    quiet = QuietHours(time(22), time(7), BERLIN)
    before = datetime(2026, 3, 28, 22, 0, tzinfo=UTC)  # 23:00, an hour is skipped that night
    assert quiet.ends(before) == datetime(2026, 3, 29, 5, 0, tzinfo=UTC)


def test_only_what_is_critical_is_told_in_quiet_hours() -> None:
    quiet = QuietHours(time(12), time(13), ZoneInfo("UTC"))
    assert due_at(heat("critical"), quiet, now=AT) == AT
    assert due_at(heat("warning"), quiet, now=AT) == AT.replace(hour=13, minute=0)
    assert due_at(heat("warning"), None, now=AT) == AT


@given(
    st.times(),
    st.times(),
    st.datetimes(datetime(2025, 1, 1), datetime(2027, 1, 1)),  # noqa: DTZ001 - the zone follows
    st.sampled_from([SEOUL, BERLIN, ZoneInfo("UTC")]),
)
def test_quiet_always_ends_within_a_day_and_lets_pass_then(
    begin: time, end: time, now: datetime, zone: ZoneInfo
) -> None:
    quiet = QuietHours(begin.replace(microsecond=0), end.replace(microsecond=0), zone)
    now = now.replace(tzinfo=UTC)
    over = quiet.ends(now)
    if over is None:
        return
    assert now < over
    assert (over - now).total_seconds() <= 25 * 3600
    if begin.replace(microsecond=0) != end.replace(microsecond=0):
        assert quiet.ends(over) is None
