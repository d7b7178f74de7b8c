"""Read the cells of interval files: times in ISO-8601 or Unix seconds, thousandths of a GPU."""

import re
from collections.abc import Sequence
from datetime import UTC, datetime

import numpy as np

from gpu_management.costs.metering import MOST_MILLI, Ints, second_of

_NUMBER = re.compile(r"[+-]?[0-9]{1,15}(\.[0-9]*)?", re.ASCII)
_LAST_SECOND = 253_402_300_799
"""9999-12-31T23:59:59Z; a larger number is milliseconds or a mistake."""
_LONGEST_UNIX = 15
_LEAP = re.compile(r":\d\d:60")
_DIGIT = "0"
_FORM = "0000-00-00T00:00:00Z"
"""The most common form of a time: digits where a 0 stands."""
_PAIRS = (5, 8, 11, 14, 17)
"""Where month, day, hour, minute and second stand."""
_NINE, _MONTHS, _HOURS, _SIXTY = 9, 12, 24, 60


def seconds_of_all(cells: Sequence[str]) -> Ints | None:
    """Read cells that are all 2025-01-20T00:00:00Z or all whole Unix seconds; else None."""
    text = "".join(cells)
    if text.isascii() and text.isdigit():
        return _all_unix(cells)
    return _all_iso(cells)


def _all_unix(cells: Sequence[str]) -> Ints | None:
    if max(map(len, cells)) > _LONGEST_UNIX:
        return None
    found = np.fromiter(map(int, cells), np.int64, len(cells))
    return found if int(found.max()) <= _LAST_SECOND else None


def _all_iso(cells: Sequence[str]) -> Ints | None:
    texts = np.array(cells, f"U{len(_FORM) + 1}")
    signs = texts.view(np.uint32).reshape(len(cells), len(_FORM) + 1).T.astype(np.int64)
    is_formed = signs[-1] == 0
    for place, mark in enumerate(_FORM):
        if mark != _DIGIT:
            is_formed &= signs[place] == ord(mark)
    digits = signs - ord("0")
    places = [place for place, mark in enumerate(_FORM) if mark == _DIGIT]
    is_formed &= ((digits[places] >= 0) & (digits[places] <= _NINE)).all(axis=0)
    if not is_formed.all():
        return None
    return _seconds_of(_number(digits[0:4]), *(_number(digits[at : at + 2]) for at in _PAIRS))


def _number(digits: Ints) -> Ints:
    """Return what rows of decimal digits say, the first row counting most."""
    number = np.zeros(digits.shape[1], np.int64)
    for row in digits:
        number = number * 10 + row
    return number


def _seconds_of(year: Ints, month: Ints, *rest: Ints) -> Ints | None:
    """Return Unix seconds; None where a figure is out of range."""
    day, hour, minute, second = rest
    months = (year - 1970) * 12 + month - 1
    first = _days_before(months)
    is_real = (year >= 1) & (month >= 1) & (month <= _MONTHS) & (day >= 1)
    is_real &= day <= _days_before(months + 1) - first
    is_real &= (hour < _HOURS) & (minute < _SIXTY) & (second < _SIXTY)
    if not is_real.all():
        return None
    found: Ints = ((first + day - 1) * _HOURS + hour) * _SIXTY * _SIXTY + minute * _SIXTY + second
    return found


def _days_before(months: Ints) -> Ints:
    """Return the days from 1970 up to the first of a month, counted from January 1970."""
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def second_in(text: str) -> int:
    """Return the Unix second that ISO-8601 or a number of Unix seconds names; fractions are cut.

    Without an offset a time is UTC.

    Raises:
        ValueError: it is neither, a leap second, or outside the years 1 to 9999.
    """
    told = text.strip()
    if _NUMBER.fullmatch(told):
        return _unix(told)
    try:
        moment = datetime.fromisoformat(told)
    except ValueError:
        if _LEAP.search(told):
            hint = "is a leap second; Unix time has none: write second 59 or the next 00"
            raise ValueError(f"{told[:40]!r} {hint}") from None
        raise ValueError(f"is neither ISO-8601 nor Unix seconds: {told[:40]!r}") from None
    return second_of(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def moment_in(text: str) -> datetime:
    """Return the moment, in UTC and whole seconds, that ISO-8601 or Unix seconds name.

    Raises:
        ValueError: as for `second_in`.
    """
    return datetime.fromtimestamp(second_in(text), UTC)


def _unix(told: str) -> int:
    whole, _, fraction = told.partition(".")
    second = int(whole)
    if told.startswith("-") and fraction.strip("0"):
        second -= 1  # cut to the second it lies in, as for times after 1970
    if abs(second) > _LAST_SECOND:
        raise ValueError(f"{told} lies beyond the year 9999; are these milliseconds?")
    return second


def milli_of(text: str) -> int:
    """Return thousandths of a GPU.

    Raises:
        ValueError: it is not a whole number from 0 to 1,000,000,000.
    """
    told = text.strip()
    if not _NUMBER.fullmatch(told):
        raise ValueError(f"must be a whole number: {told[:40]!r}")
    whole, _, fraction = told.partition(".")
    if fraction.strip("0"):
        raise ValueError(f"counts thousandths, so half a GPU is 500; {told} is not whole")
    if not 0 <= int(whole) <= MOST_MILLI:
        raise ValueError(f"must be 0 to {MOST_MILLI:,}, not {told}")
    return int(whole)
