"""A Fluentd as small as our configuration: reads the shipped file itself and runs its steps.

What a file uses beyond this fails loudly, so that a test never passes over a part of it.
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.grok import ruby

Record = dict[str, Any]
_OPENS = re.compile(r"<(\w+)(?: ([^>]+))?>")
_ENVIRONMENT = re.compile(r'"#\{ENV\[\'(\w+)\'\] \|\| \'?([\w-]+)\'?\}"')


@dataclass(slots=True)
class Element:
    """A section: its parameters and the sections in it."""

    name: str
    argument: str | None
    told: dict[str, str] = field(default_factory=dict)
    inner: list["Element"] = field(default_factory=list)

    def of(self, name: str) -> list["Element"]:
        """Return the sections of a name that are in this one."""
        return [one for one in self.inner if one.name == name]


def read(text: str) -> Element:
    """Return a configuration."""
    open_ = [Element("root", None)]
    for line in (line.strip() for line in text.splitlines()):
        opened = _OPENS.fullmatch(line)
        if opened:
            open_.append(Element(opened[1], opened[2]))
            open_[-2].inner.append(open_[-1])
        elif line.startswith("</"):
            assert open_.pop().name == line[2:-1]
        elif line and not line.startswith("#"):
            name, _, value = line.partition(" ")
            open_[-1].told[name] = value.strip()
    assert len(open_) == 1
    return open_[0]


class Fluentd:
    """The steps of a configuration, from the lines of a container's file to records."""

    def __init__(self, text: str, environ: Mapping[str, str] | None = None) -> None:
        self.root = read(text)
        self._environ = environ or {}

    def run(self, lines: Iterable[str]) -> list[Record]:
        """Return the records that would be stored."""
        [source] = self.root.of("source")
        parsed = (self._parsed(source.of("parse")[0], line) for line in lines)
        records: Iterable[Record] = [record for record in parsed if record is not None]
        for step in self.root.of("filter"):
            records = list(getattr(self, f"_{step.told['@type']}")(step, records))
        return list(records)

    def _parsed(self, how: Element, text: str) -> Record | None:
        assert how.told["@type"] in {"multi_format", "regexp"}
        for one in how.of("pattern") or [how]:
            record = _FORMATS[one.told.get("format", "regexp")](one, text)
            if record is not None:
                if one.told.get("keep_time_key") != "true":
                    record.pop(one.told.get("time_key", "time"), None)
                return record
        return None

    def _concat(self, step: Element, records: Iterable[Record]) -> Iterator[Record]:
        told, kept = step.told, {}
        assert {"partial_key", "partial_value", "stream_identity_key"} <= set(told)
        assert told["separator"] == '""'
        for record in records:
            if told["partial_key"] not in record:
                yield record
                continue
            stream = record[told["stream_identity_key"]]
            whole = kept.pop(stream, "") + record[told["key"]]
            if record.pop(told["partial_key"]) == told["partial_value"]:
                kept[stream] = whole
            else:
                yield record | {told["key"]: whole}

    def _kubernetes_metadata(self, _step: Element, records: Iterable[Record]) -> Iterable[Record]:
        return records

    def _parser(self, step: Element, records: Iterable[Record]) -> Iterator[Record]:
        assert step.told["reserve_data"] == step.told["remove_key_name_field"] == "true"
        for record in records:
            found = self._parsed(step.of("parse")[0], record[step.told["key_name"]])
            rest = {name: v for name, v in record.items() if name != step.told["key_name"]}
            yield record if found is None else rest | found

    def _record_transformer(self, step: Element, records: Iterable[Record]) -> Iterator[Record]:
        added = {}
        for name, value in step.of("record")[0].told.items():
            default = _ENVIRONMENT.fullmatch(value)
            if default:
                added[name] = self._environ.get(default[1], default[2])
            else:
                assert value == '${record["fields"] && record["fields"].to_json}', value
        for record in records:
            fields = record.get("fields")
            yield record | added | {"fields": fields and json.dumps(fields)}


def _by_regexp(one: Element, text: str) -> Record | None:
    expression = one.told["expression"]
    assert expression[0] == expression[-1] == "/"
    # In Ruby ^ and $ are the ends of a line, not of the text.
    found = re.search(ruby(expression[1:-1]), text, re.MULTILINE)
    return None if found is None else {k: v for k, v in found.groupdict().items() if v is not None}


def _by_json(_one: Element, text: str) -> Record | None:
    try:
        told = json.loads(text)
    except ValueError:
        return None
    return told if isinstance(told, dict) else None


_FORMATS = {"regexp": _by_regexp, "json": _by_json}
