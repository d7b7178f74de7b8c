"""A Logstash as small as our pipeline: reads the shipped file itself and runs its filters.

What a file uses beyond this fails loudly, so that a test never passes over a part of it.
"""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tests.support import grok

Event = dict[str, Any]
_TOKEN = re.compile(
    r"""
    (?P<space>\s+|\#[^\n]*)
    | (?P<field>(?:\[@?\w+\])+)
    | (?P<text>"[^"]*")
    | (?P<regex>(?<==~\s)/(?:\\.|[^/\\])+/)
    | (?P<sign>=>|==|=~|[{}\[\],])
    | (?P<word>[\w.]+)
    """,
    re.VERBOSE,
)


@dataclass(frozen=True, slots=True)
class Plugin:
    """A filter with its options."""

    name: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Choice:
    """An `if` with what follows and what follows else."""

    question: tuple[Any, str, Any]
    then: "Sequence[Step]"
    otherwise: "Sequence[Step]"


Step = Plugin | Choice


@dataclass(frozen=True, slots=True)
class Ref:
    """A field of an event."""

    path: tuple[str, ...]


class Pipeline:
    """A pipeline's filters; `library` says which definitions grok's names have."""

    def __init__(self, text: str, library: str = "present") -> None:
        self._library = library
        sections = _Reader(text).sections()
        assert set(sections) == {"input", "filter", "output"}
        self._filter, self.outputs = sections["filter"], sections["output"]
        self.inputs = sections["input"]

    def run(self, message: str, container: str = "k8s-gpu-management") -> Event:
        """Return what becomes of a line that Filebeat sends."""
        event: Event = {
            "message": message,
            "kubernetes": {"container": {"name": container}},
            "tags": [],
        }
        self._take(self._filter, event)
        event.pop("@metadata", None)
        return event

    def _take(self, steps: Sequence[Step], event: Event) -> None:
        for step in steps:
            if isinstance(step, Choice):
                self._take(step.then if _holds(step.question, event) else step.otherwise, event)
            else:
                _FILTERS[step.name](step.options, event, self._library)


def patterns(text: str) -> tuple[list[str], list[str]]:
    """Return the grok patterns of a pipeline and the expressions of its conditions."""
    groks: list[str] = []
    conditions: list[str] = []

    def walk(steps: Sequence[Step]) -> None:
        for step in steps:
            if isinstance(step, Plugin):
                groks.extend(step.options["match"].values() if step.name == "grok" else ())
                continue
            conditions.extend([step.question[2]] if step.question[1] == "=~" else ())
            walk([*step.then, *step.otherwise])

    walk(_Reader(text).sections()["filter"])
    return groks, conditions


def _holds(question: tuple[Any, str, Any], event: Event) -> bool:
    left, sign, right = question
    value = _read(event, left.path)
    if sign == "=~":
        return value is not None and re.search(grok.ruby(right), str(value)) is not None
    return bool(value in right if sign == "in" else value == right)


def _grok(options: Mapping[str, Any], event: Event, library: str) -> None:
    [(source, pattern)] = options["match"].items()
    found = grok.compiled(pattern, library).search(str(_read(event, _path(source))))
    if found is None:
        event["tags"].append("_grokparsefailure")
        return
    event.update({name: value for name, value in found.groupdict().items() if value})


def _json(options: Mapping[str, Any], event: Event, _library: str) -> None:
    assert options["skip_on_invalid_json"] == "true"
    try:
        told = json.loads(event[options["source"]])
    except ValueError:
        return
    _write(event, _path(options["target"]), told)


def _mutate(options: Mapping[str, Any], event: Event, _library: str) -> None:
    assert set(options) <= {"copy", "convert", "add_tag"}, options
    for source, target in options.get("copy", {}).items():
        value = _read(event, _path(source))
        if value is not None:
            _write(event, _path(target), value)
    for name, kind in options.get("convert", {}).items():
        event[name] = {"float": float}[kind](event[name])
    event["tags"] += options.get("add_tag", [])


def _date(options: Mapping[str, Any], event: Event, _library: str) -> None:
    assert options["timezone"] == "UTC"
    source, *forms = options["match"]
    assert forms == ["yyyy-MM-dd HH:mm:ss.SSS", "ISO8601"]
    if source not in event:
        return
    try:
        event["@timestamp"] = datetime.fromisoformat(event[source])
    except ValueError:
        event["tags"].append("_dateparsefailure")


_FILTERS: Mapping[str, Callable[[Mapping[str, Any], Event, str], None]] = {
    "grok": _grok,
    "json": _json,
    "mutate": _mutate,
    "date": _date,
}


def _path(name: str) -> tuple[str, ...]:
    return tuple(re.findall(r"\[([^\]]+)\]", name)) or (name,)


def _read(event: Event, path: tuple[str, ...]) -> Any:
    value: Any = event
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _write(event: Event, path: tuple[str, ...], value: Any) -> None:
    *above, last = path
    for name in above:
        event = event.setdefault(name, {})
    event[last] = value


class _Reader:
    """Takes the text of a configuration apart."""

    def __init__(self, text: str) -> None:
        self._tokens: list[tuple[str, str]] = []
        at = 0
        while at < len(text):
            found = _TOKEN.match(text, at)
            assert found, f"cannot read: {text[at : at + 40]!r}"
            if found.lastgroup != "space":
                self._tokens.append((str(found.lastgroup), found[0]))
            at = found.end()
        self._tokens.reverse()

    def sections(self) -> dict[str, Sequence[Step]]:
        """Return the steps of each section."""
        found = {}
        while self._tokens:
            _, name = self._tokens.pop()
            found[name] = self._block()
        return found

    def _next(self) -> str:
        return self._tokens[-1][1]

    def _expect(self, sign: str) -> None:
        kind, text = self._tokens.pop()
        assert text == sign, (kind, text, sign)

    def _block(self) -> Sequence[Step]:
        steps: list[Step] = []
        self._expect("{")
        while self._next() != "}":
            _, name = self._tokens.pop()
            steps.append(self._choice() if name == "if" else Plugin(name, self._hash()))
        self._expect("}")
        return steps

    def _choice(self) -> Choice:
        left, (_, sign), right = self._value(), self._tokens.pop(), self._value()
        then = self._block()
        otherwise: Sequence[Step] = ()
        if self._next() == "else":
            self._tokens.pop()
            otherwise = self._block()
        return Choice((left, sign, right), then, otherwise)

    def _hash(self) -> dict[str, Any]:
        found = {}
        self._expect("{")
        while self._next() != "}":
            name = self._value()
            self._expect("=>")
            found[name] = self._value()
        self._expect("}")
        return found

    def _value(self) -> Any:
        if self._next() == "{":
            return self._hash()
        kind, text = self._tokens.pop()
        if text == "[":
            found = []
            while self._next() != "]":
                found.append(self._value())
                if self._next() == ",":
                    self._tokens.pop()
            self._expect("]")
            return found
        if kind == "field":
            return Ref(_path(text))
        return text[1:-1] if kind in {"text", "regex"} else text
