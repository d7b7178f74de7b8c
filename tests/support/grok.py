"""Grok: the patterns that our pipeline names.

None matches what the pattern of that name in Logstash does not, so what passes here passes there.
"""

import re
from collections.abc import Mapping

_WORDS = "trace debug notice info warn warning error alert critical fatal severe emergency"
_LEVELS = "|".join(form for word in _WORDS.split() for form in (word, word.title(), word.upper()))
_COMMON: Mapping[str, str] = {
    "TIMESTAMP_ISO8601": r"\d{4}-[01]\d-[0-3]\d[T ][0-2]\d:[0-5]\d:[0-6]\d[.,]\d+Z?",
    "GREEDYDATA": r".*",
    "LOGLEVEL": f"(?:{_LEVELS})",
}
LIBRARIES: Mapping[str, Mapping[str, str]] = {
    "present": _COMMON | {"JAVACLASS": r"(?:[a-zA-Z$_][a-zA-Z$_0-9]*\.)*[a-zA-Z$_][a-zA-Z$_0-9]*"},
    "older": _COMMON | {"JAVACLASS": r"(?:[a-zA-Z0-9-]+\.)+[A-Za-z0-9$]+"},
}
"""The two definitions of a Java class name in circulation disagree; a line must fit both."""

_NAMED = re.compile(r"%\{(\w+)(?::(\w+))?\}")


def compiled(pattern: str, library: str = "present") -> re.Pattern[str]:
    """Return a grok pattern as Python's own; Ruby's `(?<name>` becomes `(?P<name>`."""
    return re.compile(ruby(spelled(pattern, library)))


def ruby(pattern: str) -> str:
    """Return a pattern of Ruby's syntax in Python's."""
    return re.sub(r"\(\?<(?![=!])", "(?P<", pattern)


def spelled(pattern: str, library: str = "present") -> str:
    """Return a grok pattern with its names spelled out, in Ruby's syntax."""

    def spell(found: re.Match[str]) -> str:
        inner = spelled(LIBRARIES[library][found[1]], library)
        return f"(?<{found[2]}>{inner})" if found[2] else f"(?:{inner})"

    return _NAMED.sub(spell, pattern)
