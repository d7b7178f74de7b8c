"""Costs grouped and shared out as OpenCost does it. Pure; micros and milli-seconds throughout."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from gpu_management.costs.opencost_window import Unreadable

IDLE: Final = "__idle__"
UNALLOCATED: Final = "__unallocated__"
CONTAINER = ("cluster", "node", "namespace", "pod", "container")
"""What rows are named by where no `aggregate` is asked for."""
_LABELS = {"team": "team", "owner": "user"}
"""OpenCost's words for labels, and what we call them."""
_UNKNOWN = {
    "controller",
    "controllerkind",
    "controllernamespace",
    "daemonset",
    "department",
    "deployment",
    "environment",
    "job",
    "product",
    "providerid",
    "service",
    "statefulset",
}
"""Words that OpenCost has and we know nothing of: their rows are unallocated."""
_LABEL = re.compile(r"(label|annotation):(.+)")
_TERM = re.compile(
    r'(\w+)(?:\[([^\]]+)\]|:(\w+))?\s*(!?(?:~|<~|~>)?):\s*("[^"]*"(?:\s*,\s*"[^"]*")*)'
)
_AND = re.compile(r"\s*\+\s*|\s+")
"""A plus sign that a client did not escape arrives as a blank."""

Properties = Mapping[str, str]
"""What is known of a piece: OpenCost's properties, and labels as `label:team`."""


@dataclass(frozen=True, slots=True)
class Gpu:
    """The GPU of a row; None where its pieces are of different ones."""

    device: str | None
    model: str | None
    uuid: str | None
    is_shared: bool


@dataclass(frozen=True, slots=True)
class Row:
    """What something held and cost in [start, end), in seconds; `idle_micros` are part of it."""

    properties: Properties
    start: int
    end: int
    milli_seconds: int
    micros: int
    idle_micros: int = 0
    gpu: Gpu | None = None


def parse_aggregate(text: str) -> tuple[str, ...]:
    """Read a list such as `namespace,label:team`; nothing means by container, `all` one row.

    Raises:
        Unreadable: OpenCost has no such word.
    """
    words = [word.strip() for word in text.split(",") if word.strip()]
    if not words:
        return CONTAINER
    if words == ["all"]:
        return ()
    return tuple(dict.fromkeys(_property(word, "aggregate") for word in words))


def _property(word: str, parameter: str) -> str:
    name = word.lower()
    if name in _LABELS:
        return f"label:{_LABELS[name]}"
    if name in CONTAINER or name in _UNKNOWN:
        return name
    if found := _LABEL.fullmatch(word):
        return f"{found[1]}:{found[2].strip()}"
    raise Unreadable(f"Invalid '{parameter}' parameter: invalid allocation property: {word[:80]}")


Wanted = Callable[[Properties], bool]


def parse_filter(text: str) -> Wanted:
    r"""Read terms such as `namespace:"ml","web"+label[team]!:"x"`; all of them must hold.

    Raises:
        Unreadable: it is not of that form.
    """
    tests = list(map(_test, _terms(text.strip()))) if text.strip() else []
    return lambda properties: all(test(properties) for test in tests)


def _terms(text: str) -> Iterator[re.Match[str]]:
    place = 0
    while found := _TERM.match(text, place):
        yield found
        place = found.end()
        if place == len(text):
            return
        joint = _AND.match(text, place)
        if joint is None:
            break
        place = joint.end()
    raise Unreadable(
        f"Invalid 'filter' parameter: {text[place : place + 80]!r} is not understood; "
        'terms such as namespace:"ml","web" are joined by +'
    )


def _test(found: re.Match[str]) -> Wanted:
    word, key, short, operator, values = found.groups()
    name = _property(f"{word}:{key or short}" if key or short else word, "filter")
    wanted = [value.strip()[1:-1] for value in re.findall(r'"[^"]*"', values)]
    compare = _COMPARE[operator.removeprefix("!")]

    def test(properties: Properties) -> bool:
        told = properties.get(name, UNALLOCATED)
        return any(compare(told, value) for value in wanted) != operator.startswith("!")

    return test


_COMPARE: dict[str, Callable[[str, str], bool]] = {
    "": lambda told, value: told == (value or UNALLOCATED),
    "~": lambda told, value: value in told,
    "<~": lambda told, value: told.startswith(value),
    "~>": lambda told, value: told.endswith(value),
}


def name_of(properties: Properties, words: Sequence[str]) -> str:
    """Return the name of the row that a piece belongs to."""
    if IDLE in properties:
        return properties[IDLE]
    return "/".join(properties.get(word, UNALLOCATED) for word in words)


def grouped(rows: Iterable[Row], words: Sequence[str]) -> dict[str, Row]:
    """Add rows up by name, sorted; a row keeps what all its pieces have in common."""
    found: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        found[name_of(row.properties, words)].append(row)
    return {name: _joined(found[name]) for name in sorted(found)}


def _joined(rows: Sequence[Row]) -> Row:
    shared = rows[0].properties
    for row in rows[1:]:
        if row.properties is not shared:
            told = row.properties
            shared = {name: value for name, value in shared.items() if told.get(name) == value}
    return Row(
        properties=dict(sorted(shared.items())),
        start=min(row.start for row in rows),
        end=max(row.end for row in rows),
        milli_seconds=sum(row.milli_seconds for row in rows),
        micros=sum(row.micros for row in rows),
        idle_micros=sum(row.idle_micros for row in rows),
        gpu=_same([row.gpu for row in rows]),
    )


def _same(gpus: Sequence[Gpu | None]) -> Gpu | None:
    known = [gpu for gpu in gpus if gpu is not None]
    if not known:
        return None
    return Gpu(
        device=_one({gpu.device for gpu in known}),
        model=_one({gpu.model for gpu in known}),
        uuid=_one({gpu.uuid for gpu in known}),
        is_shared=any(gpu.is_shared for gpu in known),
    )


def _one(values: set[str | None]) -> str | None:
    return values.pop() if len(values) == 1 else None


def share_idle(rows: Sequence[Row], idle: Sequence[Row], *, by_node: bool) -> list[Row]:
    """Give what was idle to those who held GPUs of the same cluster (or node), by their cost.

    Micros are shared exactly; what nobody can take remains a row of its own.
    """
    words = ("cluster", "node") if by_node else ("cluster",)
    places: dict[str, list[int]] = defaultdict(list)
    for place, row in enumerate(rows):
        places[_place(row, words)].append(place)
    shared, left = list(rows), []
    for row in idle:
        takers = places[_place(row, words)]
        total = sum(rows[place].micros for place in takers)
        if not total:
            left.append(row)
            continue
        upto = 0
        for place in takers:
            before = row.micros * upto // total
            upto += rows[place].micros
            part, taker = row.micros * upto // total - before, shared[place]
            shared[place] = replace(
                taker, micros=taker.micros + part, idle_micros=taker.idle_micros + part
            )
    return shared + left


def _place(row: Row, words: Sequence[str]) -> str:
    return "/".join(row.properties.get(word, UNALLOCATED) for word in words)
