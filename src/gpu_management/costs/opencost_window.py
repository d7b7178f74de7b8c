"""Windows and steps as OpenCost's users write them. Pure.

Words and rounding are those of OpenCost (core/pkg/opencost/window.go): "7d" is today and the six
days before. Days begin at midnight of the billing time zone, as with its `UTC_OFFSET`.
"""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from gpu_management.core.clock import whole_second
from gpu_management.costs.days import day_start, next_day

LONGEST = timedelta(days=1100)
MOST_STEPS = 1000
_DURATION = re.compile(r"([0-9]{1,9})(s|m|h|d|w)", re.ASCII)
_WITH_OFFSET = re.compile(r"([0-9]{1,9}[mhdw]) offset ([0-9]{1,9}[mhdw])", re.ASCII)
_UNIX = re.compile(r"([0-9]{1,11})[,|-]([0-9]{1,11})", re.ASCII)
_UNITS = {
    "s": timedelta(seconds=1),
    "m": timedelta(minutes=1),
    "h": timedelta(hours=1),
    "d": timedelta(days=1),
    "w": timedelta(weeks=1),
}
_QUARTER_MONTHS = 3


class Unreadable(ValueError):
    """A parameter that OpenCost would not understand either; the sentence says which."""


@dataclass(frozen=True, slots=True)
class Span:
    """The stretch [start, end)."""

    start: datetime
    end: datetime


def parse_window(text: str, zone: ZoneInfo, *, now: datetime) -> Span:
    """Read a window: a word, a duration with or without offset, or a pair of times.

    Raises:
        Unreadable: it is none of these, reversed, empty, or longer than 1100 days.
    """
    try:
        span = _window(text.strip(), zone, whole_second(now))
    except (OverflowError, ValueError) as error:
        raise Unreadable(f"Invalid 'window' parameter: illegal window: {text[:80]}") from error
    if span.start >= span.end:
        raise Unreadable(f"Invalid 'window' parameter: {text[:80]} ends before it starts")
    if span.end - span.start > LONGEST:
        raise Unreadable(f"Invalid 'window' parameter: {text[:80]} is longer than {LONGEST.days}d")
    return span


def _window(text: str, zone: ZoneInfo, now: datetime) -> Span:
    if text in _WORDS:
        return _WORDS[text](now.astimezone(zone).date(), zone, now)
    if _DURATION.fullmatch(text) and not text.endswith("s"):
        return _rounded(text, zone, now)
    if found := _WITH_OFFSET.fullmatch(text):
        end = now - _duration(found[2])
        return Span(end - _duration(found[1]), end)
    if found := _UNIX.fullmatch(text):
        first, last = (datetime.fromtimestamp(int(second), UTC) for second in found.groups())
        return Span(first, last)
    first, last = (datetime.fromisoformat(part) for part in text.split(","))
    if first.tzinfo is None or last.tzinfo is None:
        raise ValueError("times need a zone")
    return Span(whole_second(first.astimezone(UTC)), whole_second(last.astimezone(UTC)))


def _rounded(text: str, zone: ZoneInfo, now: datetime) -> Span:
    """Return a duration whose end is rounded up to its unit; weeks end today."""
    unit = _UNITS[text[-1]]
    if text[-1] in "dw":
        today = now.astimezone(zone).date()
        first = today + timedelta(days=1) - _duration(text)
        return Span(day_start(first, zone), next_day(today, zone))
    seconds = int(unit.total_seconds())
    end = datetime.fromtimestamp(int(now.timestamp()) // seconds * seconds + seconds, UTC)
    return Span(end - _duration(text), end)


def _duration(text: str) -> timedelta:
    return int(text[:-1]) * _UNITS[text[-1]]


def _today(today: date, zone: ZoneInfo, _now: datetime) -> Span:
    return Span(day_start(today, zone), next_day(today, zone))


def _yesterday(today: date, zone: ZoneInfo, _now: datetime) -> Span:
    return _today(today - timedelta(days=1), zone, _now)


def _sunday(day: date) -> date:
    return day - timedelta(days=day.isoweekday() % 7)


def _so_far(first: date, zone: ZoneInfo, now: datetime) -> Span:
    """Return the stretch up to now; in the very second it begins, that second."""
    start = day_start(first, zone)
    return Span(start, max(now, start + timedelta(seconds=1)))


def _week(today: date, zone: ZoneInfo, now: datetime) -> Span:
    return _so_far(_sunday(today), zone, now)


def _lastweek(today: date, zone: ZoneInfo, _now: datetime) -> Span:
    sunday = _sunday(today)
    return Span(day_start(sunday - timedelta(days=7), zone), day_start(sunday, zone))


def _month(today: date, zone: ZoneInfo, now: datetime) -> Span:
    return _so_far(today.replace(day=1), zone, now)


def _lastmonth(today: date, zone: ZoneInfo, _now: datetime) -> Span:
    first = today.replace(day=1)
    before = (first - timedelta(days=1)).replace(day=1)
    return Span(day_start(before, zone), day_start(first, zone))


_WORDS: dict[str, Callable[[date, ZoneInfo, datetime], Span]] = {
    "today": _today,
    "yesterday": _yesterday,
    "week": _week,
    "lastweek": _lastweek,
    "month": _month,
    "lastmonth": _lastmonth,
}


def steps(window: Span, step: str | None) -> list[Span]:
    """Cut a window into steps from its start; the last one may be shorter.

    Raises:
        Unreadable: no such duration, or more than 1000 steps.
    """
    if not step:
        return [window]
    parts = _DURATION.findall(step)
    length = sum((int(count) * _UNITS[unit] for count, unit in parts), timedelta(0))
    if "".join(count + unit for count, unit in parts) != step or not length:
        raise Unreadable(f"Invalid 'step' parameter: {step[:80]}; a duration is such as 1d")
    count = -(-(window.end - window.start) // length)
    if count > MOST_STEPS:
        raise Unreadable(f"Invalid 'step' parameter: {count} steps; at most {MOST_STEPS}")
    marks = [window.start + n * length for n in range(count)]
    return [Span(start, end) for start, end in zip(marks, [*marks[1:], window.end], strict=True)]


def accumulated(window: Span, spans: list[Span], told: str, zone: ZoneInfo) -> list[Span]:
    """Return the stretches that sums are made of: `told` is accumulate or accumulateBy.

    Raises:
        Unreadable: no such option, or more than 1000 stretches.
    """
    word = told.lower()
    if word in {"", "false", "none", "0"}:
        return spans
    if word in {"true", "all", "1"}:
        return [window]
    if word not in _NEXT:
        raise Unreadable(f"Invalid 'accumulate' parameter: {told[:80]}; one of {', '.join(_NEXT)}")
    found = []
    for span in _calendar(window, word, zone):
        found.append(span)
        if len(found) > MOST_STEPS:
            raise Unreadable(f"Invalid 'accumulate' parameter: more than {MOST_STEPS} of {word}")
    return found


def _calendar(window: Span, word: str, zone: ZoneInfo) -> Iterator[Span]:
    start = window.start
    while start < window.end:
        end = min(_NEXT[word](start, zone), window.end)
        yield Span(start, end)
        start = end


def _next_hour(moment: datetime, _zone: ZoneInfo) -> datetime:
    return moment.replace(minute=0, second=0) + timedelta(hours=1)


def _next_midnight(moment: datetime, zone: ZoneInfo) -> datetime:
    return next_day(moment.astimezone(zone).date(), zone)


def _next_sunday(moment: datetime, zone: ZoneInfo) -> datetime:
    return day_start(_sunday(moment.astimezone(zone).date()) + timedelta(days=7), zone)


def _next_month(moment: datetime, zone: ZoneInfo) -> datetime:
    first = moment.astimezone(zone).date().replace(day=1)
    return day_start((first + timedelta(days=32)).replace(day=1), zone)


def _next_quarter(moment: datetime, zone: ZoneInfo) -> datetime:
    day = moment.astimezone(zone).date()
    month = (day.month - 1) // _QUARTER_MONTHS * _QUARTER_MONTHS + 1
    return day_start((day.replace(month=month, day=1) + timedelta(days=95)).replace(day=1), zone)


_NEXT: dict[str, Callable[[datetime, ZoneInfo], datetime]] = {
    "hour": _next_hour,
    "day": _next_midnight,
    "week": _next_sunday,
    "month": _next_month,
    "quarter": _next_quarter,
}
