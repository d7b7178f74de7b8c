"""Months as they are billed: their bounds, their lines, and what is owed to earlier ones. Pure.

A month begins where the closed month before it ended, so neither a change of the billing time zone
nor of daylight saving leaves a gap or bills a second twice.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass
from datetime import date, datetime
from hashlib import sha256
from zoneinfo import ZoneInfo

import orjson

from gpu_management.core.clock import wire_time
from gpu_management.core.problems import FieldError, ValidationFailed
from gpu_management.costs.budgeting import later_month
from gpu_management.costs.days import day_start
from gpu_management.costs.models import LineKind

_MONTH = re.compile(r"[0-9]{4}-(0[1-9]|1[0-2])")
_FIRST, _LAST = "1970-01", "9998-12"


def check_month(text: str) -> str:
    """Return `text` where it names a month such as 2026-03.

    Raises:
        ValidationFailed: it does not.
    """
    if _MONTH.fullmatch(text) and _FIRST <= text <= _LAST:
        return text
    message = f"a month is written like 2026-03, not {text[:20]!r}".replace('"', "'")
    raise ValidationFailed(message, errors=[FieldError("month", "format", message, text[:20])])


def first_day(month: str) -> date:
    """Return the first day of a month."""
    return date(int(month[:4]), int(month[5:]), 1)


def month_at(moment: datetime, zone: ZoneInfo) -> str:
    """Return the month of the billing calendar that a moment lies in."""
    return f"{moment.astimezone(zone).date():%Y-%m}"


def following(month: str) -> str:
    """Return the month after."""
    return f"{later_month(first_day(month)):%Y-%m}"


def starts(month: str, zone: ZoneInfo) -> datetime:
    """Return the moment a month begins in `zone`."""
    return day_start(first_day(month), zone)


@dataclass(frozen=True, slots=True, order=True)
class Payer:
    """Who pays for what: the parts a line is known by; the empty text stands for none."""

    team_id: str = ""
    user_id: str = ""
    namespace: str = ""
    model_id: str = ""
    profile_name: str = ""
    workload_type: str = ""


@dataclass(frozen=True, slots=True)
class Figures:
    """Milli-seconds held, those of them without a price, and micros charged."""

    milli_seconds: int = 0
    unpriced: int = 0
    micros: int = 0

    def __add__(self, other: "Figures") -> "Figures":
        """Return the sums."""
        return Figures(
            self.milli_seconds + other.milli_seconds,
            self.unpriced + other.unpriced,
            self.micros + other.micros,
        )

    def __sub__(self, other: "Figures") -> "Figures":
        """Return the differences."""
        return Figures(
            self.milli_seconds - other.milli_seconds,
            self.unpriced - other.unpriced,
            self.micros - other.micros,
        )


NOTHING = Figures()
Billed = Mapping[Payer, Figures]


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a month; an adjustment says which closed month it corrects."""

    kind: LineKind
    origin_month: str
    payer: Payer
    figures: Figures


def added(lines: Iterable[Line]) -> dict[Payer, Figures]:
    """Return lines added up by payer."""
    sums: dict[Payer, Figures] = defaultdict(Figures)
    for line in lines:
        sums[line.payer] += line.figures
    return dict(sums)


def differences(present: Billed, billed: Billed) -> dict[Payer, Figures]:
    """Return what has to be added to what was billed to make it what is true at present."""
    found = {
        payer: present.get(payer, NOTHING) - billed.get(payer, NOTHING)
        for payer in {*present, *billed}
    }
    return {payer: figures for payer, figures in found.items() if figures != NOTHING}


def in_order(month: str, usage: Billed, adjustments: Mapping[str, Billed]) -> list[Line]:
    """Return the lines of a month in their one order: its use, then earlier months' corrections."""
    lines = [Line(LineKind.USAGE, month, payer, usage[payer]) for payer in sorted(usage)]
    for origin in sorted(adjustments):
        owed = adjustments[origin]
        lines += [Line(LineKind.ADJUSTMENT, origin, payer, owed[payer]) for payer in sorted(owed)]
    return lines


@dataclass(frozen=True, slots=True)
class Frame:
    """What a month is billed within: its bounds, and the currency and time zone of the bill."""

    month: str
    since: datetime
    until: datetime
    currency: str
    timezone: str


def fingerprint(frame: Frame, lines: Iterable[Line]) -> str:
    """Return the SHA-256 of a month's bill in hexadecimal: one JSON array a line, frame first."""
    digest = sha256()
    bounds = (wire_time(frame.since), wire_time(frame.until))
    digest.update(orjson.dumps([frame.month, *bounds, frame.currency, frame.timezone]) + b"\n")
    for line in lines:
        parts = (line.kind.value, line.origin_month, *astuple(line.payer), *astuple(line.figures))
        digest.update(orjson.dumps(parts) + b"\n")
    return digest.hexdigest()
