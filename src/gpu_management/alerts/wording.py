"""What an alert says: the few parts of Prometheus's templates that our rules use. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Final

_PART: Final = re.compile(
    r"\{\{\s*\$(?:labels\.(?P<label>\w+)|(?P<value>value))(?:\s*\|\s*(?P<how>\w+))?\s*\}\}"
)
_THOUSAND: Final = 1000.0
_SIXTY: Final = 60.0
_LARGE: Final = ("", "k", "M", "G", "T", "P", "E", "Z", "Y")
_SMALL: Final = ("", "m", "u", "n", "p", "f", "a", "z", "y")


def said(template: str, labels: Mapping[str, str], value: float) -> str:
    """Return a text with `{{ $labels.x }}` and `{{ $value | humanize }}` filled in."""

    def fill(found: re.Match[str]) -> str:
        if found["label"]:
            return labels.get(found["label"], "")
        return _HOW[found["how"] or ""](value)

    return _PART.sub(fill, template)


def plain(value: float) -> str:
    """Write a number as short as it can be: 91, 1000.5."""
    return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)  # noqa: PLR2004 - whole numbers of a float


def humanize(value: float) -> str:
    """Write a number with four digits and a prefix of its size: 1.44k."""
    if value == 0 or value != value or value in {float("inf"), float("-inf")}:  # noqa: PLR0124 - NaN
        return _four(value)
    size, step = abs(value), 0
    while size >= _THOUSAND and step < len(_LARGE) - 1:
        size, value, step = size / _THOUSAND, value / _THOUSAND, step + 1
    if step:
        return _four(value) + _LARGE[step]
    while size < 1 and step < len(_SMALL) - 1:
        size, value, step = size * _THOUSAND, value * _THOUSAND, step + 1
    return _four(value) + _SMALL[step]


def percentage(value: float) -> str:
    """Write a ratio as a percentage: 0.5 is 50%."""
    return f"{_four(value * 100)}%"


def duration(seconds: float) -> str:
    """Write seconds as days, hours, minutes and seconds: 10m 0s."""
    if abs(seconds) < 1:
        return f"{humanize(seconds)}s"
    sign = "-" if seconds < 0 else ""
    rest = abs(seconds)
    minutes, whole = divmod(int(rest), int(_SIXTY))
    hours, minutes = divmod(minutes, int(_SIXTY))
    days, hours = divmod(hours, 24)
    if days:
        return f"{sign}{days}d {hours}h {minutes}m {whole}s"
    if hours:
        return f"{sign}{hours}h {minutes}m {whole}s"
    if minutes:
        return f"{sign}{minutes}m {whole}s"
    return f"{sign}{_four(rest)}s"


def _four(value: float) -> str:
    return f"{value:.4g}"


_HOW: Final[Mapping[str, Callable[[float], str]]] = {
    "": plain,
    "humanize": humanize,
    "humanizePercentage": percentage,
    "humanizeDuration": duration,
}
