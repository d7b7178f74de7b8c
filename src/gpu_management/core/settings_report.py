"""What is set and why, for `config show`: every setting with its origin, secrets masked."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel, SecretStr

from gpu_management.core.settings import Settings
from gpu_management.core.settings_keys import Kind, Leaf, env_aliases, leaves
from gpu_management.core.settings_load import Loaded
from gpu_management.core.text import MASK, is_secret_name, mask_secrets


@dataclass(frozen=True, slots=True)
class Row:
    """One line of `config show`; `env` names the variables that set it, the usual one first."""

    key: str
    value: str
    origin: str
    env: str
    description: str


def show(loaded: Loaded) -> list[Row]:
    """Return every setting in the order of the model; each entry of a map has its own row."""
    return [row for leaf in leaves() for row in _rows(leaf, loaded)]


def env_names(leaf: Leaf) -> tuple[str, ...]:
    """Return the environment variables that set this: short conventional names first."""
    return (*env_aliases().get(leaf.key, ()), leaf.env)


def printable(value: object, *, is_secret: bool = False) -> str:
    """Return a value as `config show` and the documentation write it; "" when there is none."""
    if value is None or (isinstance(value, tuple | dict) and not value):
        return ""
    if is_secret and isinstance(value, SecretStr):
        return MASK
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, tuple):
        return _list(value)
    return mask_secrets(str(value))


def _rows(leaf: Leaf, loaded: Loaded) -> Iterator[Row]:
    """Yield the row of a setting, or those of the entries of a map that has some."""
    value = _value(loaded.settings, leaf)
    env = ", ".join(env_names(leaf))
    if leaf.kind is not Kind.MAP or not isinstance(value, Mapping) or not value:
        text = printable(value, is_secret=leaf.is_secret)
        yield Row(leaf.key, text, loaded.origins[leaf.key], env, leaf.description)
        return
    for name, entry in value.items():
        key = f"{leaf.key}[{name}]"
        text = MASK if is_secret_name(name) else printable(entry)
        yield Row(key, text, loaded.origins[key], env, leaf.description)


def _value(settings: Settings, leaf: Leaf) -> object:
    """Return the value at the path of a setting."""
    node: object = settings
    for part in leaf.path:
        node = getattr(node, part)
    return node


def _list(values: tuple[object, ...]) -> str:
    """Write plain parts with commas, entries with several fields as JSON."""
    if any(isinstance(value, BaseModel) for value in values):
        entries = [v.model_dump(mode="json") if isinstance(v, BaseModel) else v for v in values]
        return mask_secrets(json.dumps(entries, ensure_ascii=False))
    return mask_secrets(", ".join(str(value) for value in values))
