"""What every source of settings yields: items, findings, and the error that lists problems."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from gpu_management.core.settings_keys import Kind, Leaf, record_fields, relaxed
from gpu_management.core.settings_values import split_credentials
from gpu_management.core.text import did_you_mean


class SettingsError(Exception):
    """The configuration cannot be used; each problem is one sentence."""

    def __init__(self, problems: Sequence[str]) -> None:
        """Keep the sentences; the message is all of them, one a line."""
        super().__init__("\n".join(problems))
        self.problems = tuple(problems)


@dataclass(frozen=True, slots=True)
class Item:
    """One value from one place; for a map, `path` ends with the entry's own name."""

    path: tuple[str, ...]
    value: object
    origin: str


@dataclass(slots=True)
class Findings:
    """What people should know about the sources; nothing here stops a start."""

    warnings: list[str] = field(default_factory=list)
    ignored_spring: list[str] = field(default_factory=list)

    def warn(self, sentence: str) -> None:
        """Keep a sentence, once."""
        if sentence not in self.warnings:
            self.warnings.append(sentence)

    def all(self) -> list[str]:
        """Return every sentence, the ignored Spring keys in one."""
        if not self.ignored_spring:
            return self.warnings
        names = ", ".join(dict.fromkeys(self.ignored_spring))
        return [*self.warnings, f"these spring.* keys mean nothing here and are ignored: {names}"]


def shape(leaf: Leaf, value: object, *, origin: str, findings: Findings) -> Iterator[Item]:
    """Yield the items of one value: each entry of a map alone, fields of entries renamed."""
    if value is None or (value == "" and leaf.is_optional):
        return
    if leaf.kind is Kind.MAP and isinstance(value, dict):
        for name, entry in flat(value):
            if entry is not None:
                yield Item((*leaf.path, name), entry, origin)
    elif leaf.record is not None and isinstance(value, list):
        fields = record_fields(leaf.record)
        entries = [
            _entry(fields, part, place=f"{origin}: {leaf.key}", findings=findings) for part in value
        ]
        yield Item(leaf.path, entries, origin)
    else:
        yield Item(leaf.path, value, origin)


def _entry(fields: Mapping[str, str], entry: object, *, place: str, findings: Findings) -> object:
    """Return one entry of a list with its fields as the model spells them."""
    if not isinstance(entry, dict):
        return entry
    known: dict[str, object] = {}
    for key, value in entry.items():
        name = fields.get(relaxed(key))
        if name is None:
            hint = did_you_mean(key, fields.values())
            findings.warn(f"{place} has no field {key}{hint}")
        elif isinstance(value, dict):
            known[name] = {inner: part for inner, part in value.items() if part is not None}
        elif value is not None:
            known[name] = value
    return known


def flat(entries: Mapping[str, object], prefix: str = "") -> Iterator[tuple[str, object]]:
    """Yield the entries of a map; a nested one is the same as dots in the name."""
    for name, value in entries.items():
        if isinstance(value, dict):
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def split_addresses(items: list[Item]) -> list[Item]:
    """Take the credentials out of database addresses: they are settings of their own."""
    split: list[Item] = []
    for item in items:
        if item.path != ("database", "url") or not isinstance(item.value, str):
            split.append(item)
            continue
        url, username, password = split_credentials(item.value)
        split.append(Item(item.path, url, item.origin))
        for name, value in (("username", username), ("password", password)):
            if value is not None:
                split.append(Item(("database", name), value, item.origin))
    return split
