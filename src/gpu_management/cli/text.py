"""How values read in a table: units, money, times; `-` is what nobody knows."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal

UNKNOWN = "-"
_YEAR_SECONDS = 31_557_600
_STEPS = (
    (_YEAR_SECONDS * 2, _YEAR_SECONDS, "y"),
    (86_400 * 2, 86_400, "d"),
    (3_600 * 2, 3_600, "h"),
    (60 * 2, 60, "m"),
    (0, 1, "s"),
)
_MIB_PER_GIB = 1024
_WHOLE = 1000


def plain(value: object) -> str:
    """Return a value as one reads it."""
    if value is None or value == "":
        return UNKNOWN
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{name}={plain(part)}" for name, part in value.items()) or UNKNOWN
    if isinstance(value, Iterable) and not isinstance(value, str):
        return ", ".join(plain(part) for part in value) or UNKNOWN
    return str(value)


def count(number: int, noun: str) -> str:
    """Write a number of things."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def gpus(milli: int | None) -> str:
    """Write thousandths of a GPU as GPUs: 1500 is 1.5."""
    return UNKNOWN if milli is None else f"{Decimal(milli) / _WHOLE:f}"


def cores(milli: int | None) -> str:
    """Write thousandths of a core as cores."""
    return UNKNOWN if milli is None else f"{milli / _WHOLE:g}"


def gibibytes(mib: int | None) -> str:
    """Write MiB as GiB."""
    return UNKNOWN if mib is None else f"{mib / _MIB_PER_GIB:.0f} GiB"


def gigabytes(label: float | None) -> str:
    """Write the gigabytes of a label."""
    return UNKNOWN if label is None else f"{label:,g} GB"


def money(amount: float | None, *, digits: int = 2) -> str:
    """Write an amount of the billing currency."""
    return UNKNOWN if amount is None else f"{amount:,.{digits}f}"


def percent(part: float, whole: float) -> str:
    """Write a part of a whole in percent, or `-` of nothing."""
    return f"{100 * part / whole:.0f}%" if whole else UNKNOWN


def moment(text: object) -> datetime | None:
    """Read a time of the wire; None for what is none."""
    try:
        return datetime.fromisoformat(text).astimezone(UTC) if isinstance(text, str) else None
    except ValueError:
        return None


def span(seconds: float) -> str:
    """Write a length of time in its largest fitting unit: 90 is 90s, 7200 is 2h."""
    for least, unit, name in _STEPS:
        if seconds >= least:
            return f"{seconds // unit:.0f}{name}"
    return "0s"


def ago(text: object, now: datetime, *, wide: bool = False) -> str:
    """Write a time relative to `now`; `wide` puts the moment itself before it."""
    found = moment(text)
    if found is None:
        return UNKNOWN
    away = (now - found).total_seconds()
    relative = f"{span(away)} ago" if away >= 0 else f"in {span(-away)}"
    return f"{found:%Y-%m-%d %H:%M:%SZ} ({relative})" if wide else relative


def bar(part: float, whole: float, *, width: int = 20) -> str:
    """Draw a part of a whole."""
    filled = round(width * min(max(part / whole, 0.0), 1.0)) if whole else 0
    return "█" * filled + "░" * (width - filled)
