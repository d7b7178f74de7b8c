"""What callers of cost routes may say: windows, groups and filters."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Never

from gpu_management.allocations.models import WorkloadType
from gpu_management.core.clock import whole_second
from gpu_management.core.paging import Listing, Page
from gpu_management.core.problems import FieldError, ValidationFailed
from gpu_management.core.text import did_you_mean
from gpu_management.costs.grouping import Dimension
from gpu_management.costs.opencost_window import Unreadable, parse_window
from gpu_management.costs.service import Desk, Window, last_days

_LONGEST = timedelta(days=3_660)


@dataclass(frozen=True, slots=True)
class Asked:
    """A window as it was asked for: a number of days, moments, or a word such as `lastmonth`."""

    days: int | None = None
    start: datetime | None = None
    end: datetime | None = None
    words: str | None = None


def window_of(desk: Desk, asked: Asked, *, now: datetime) -> Window:
    """Return the window that was asked for, cut to whole seconds and to now.

    Raises:
        ValidationFailed: both ways at once, a reversed or far too long window, or a future one.
    """
    if asked.words is not None:
        return _window_in_words(desk, asked, asked.words, now=now)
    if asked.start is None and asked.end is None:
        return last_days(desk, asked.days or 30, now=now)
    if asked.days is not None:
        _refuse("days", "either", "give days, or start and end, not both")
    until = min(whole_second(asked.end or now), whole_second(now))
    if asked.start is None:
        _refuse("start", "required", "an end needs a start")
    since = whole_second(asked.start)
    if asked.end is not None and whole_second(asked.end) <= since:
        _refuse("end", "order", f"end {asked.end} is not after start {since}")
    if since >= until:
        _refuse("start", "future", f"start {since} has not come yet; it is {now}")
    if until - since > _LONGEST:
        _refuse("start", "range", f"a window of {until - since} is too long; 10 years at most")
    return Window(since, until)


def _window_in_words(desk: Desk, asked: Asked, words: str, *, now: datetime) -> Window:
    """Return a window that is told as OpenCost tells them, cut to now."""
    if asked.days is not None or asked.start is not None or asked.end is not None:
        _refuse("window", "either", "give window, or days, or start and end, not several")
    try:
        span = parse_window(words, desk.zone, now=now)
    except Unreadable as error:
        _refuse("window", "format", f"{words[:80]} is no window such as 7d or lastmonth: {error}")
    if span.start > now:
        _refuse("window", "future", f"{words[:80]} has not begun yet; it is {now}")
    return Window(span.start, min(span.end, whole_second(now)))


def groups_of(text: str, allowed: Sequence[Dimension]) -> tuple[Dimension, ...]:
    """Read dimensions parted by commas.

    Raises:
        ValidationFailed: one is not known here.
    """
    names = {dimension.value: dimension for dimension in allowed}
    found = []
    for name in filter(None, (part.strip() for part in text.split(","))):
        if name not in names:
            hint = did_you_mean(name, names)
            _refuse(
                "group",
                "allowed",
                f"cannot group by {name[:60]}; allowed: {', '.join(names)}{hint}",
            )
        found.append(names[name])
    return tuple(dict.fromkeys(found))


def only_of(told: Mapping[Dimension, str | None]) -> dict[Dimension, str]:
    """Return the filters that were given.

    Raises:
        ValidationFailed: a kind of work that does not exist.
    """
    only = {dimension: value for dimension, value in told.items() if value is not None}
    kind = only.get(Dimension.WORKLOAD_TYPE)
    if kind and kind not in set(WorkloadType):
        _refuse("workloadType", "allowed", f"there is no workload type {kind[:60]}")
    return only


def page_of_rows(rows: Sequence[Any], page: Page) -> Listing:
    """Return one page of rows that are all at hand; the cursor is the place of the next.

    Raises:
        ValidationFailed: a cursor that is not ours.
    """
    start = 0
    if page.cursor:
        if not page.cursor.isascii() or not page.cursor.isdigit():
            _refuse("cursor", "format", "the cursor was not written by this list")
        start = int(page.cursor[:18])
    end = len(rows) if page.limit is None else start + page.limit
    return Listing(rows[start:end], len(rows), str(end) if end < len(rows) else None)


def _refuse(field: str, rule: str, message: str) -> Never:
    raise ValidationFailed(message, errors=[FieldError(field, rule, message)])
