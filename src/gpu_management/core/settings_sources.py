"""Settings outside files: the environment, and keys with values such as flags."""

from collections.abc import Mapping

from gpu_management.core.settings_items import (
    Findings,
    Item,
    SettingsError,
    shape,
    split_addresses,
)
from gpu_management.core.settings_keys import (
    CONVENTIONAL_NAMES,
    ENV_PREFIX,
    OTHER_VARIABLES,
    Found,
    Kind,
    Leaf,
    leaf_by_env,
    leaf_by_key,
    leaves,
    locate,
    relaxed,
)
from gpu_management.core.settings_yaml import read_json
from gpu_management.core.text import did_you_mean

FLAGS: Mapping[str, str] = {
    "server.host": "--host",
    "server.port": "--port",
    "server.role": "--role",
    "server.insecure": "--insecure",
    "database.url": "--database-url",
}
"""Flags of the command line that set one setting each; any other is set with `--set`."""


def from_environment(environ: Mapping[str, str], findings: Findings) -> list[Item]:
    """Return what the environment sets; an empty variable sets nothing."""
    items: list[Item] = []
    for name, key in CONVENTIONAL_NAMES.items():
        if environ.get(name):
            items.append(Item(leaf_by_key()[key].path, environ[name], f"env {name}"))
    for name in sorted(environ):
        if not name.startswith(ENV_PREFIX) or _is_not_ours(name) or not environ[name]:
            continue
        leaf = leaf_by_env().get(relaxed(name.removeprefix(ENV_PREFIX)))
        if leaf is None:
            hint = did_you_mean(name, (known.env for known in leaves()))
            findings.warn(f"environment variable {name} is no setting{hint}")
        else:
            items.extend(_from_text(leaf, environ[name], origin=f"env {name}", findings=findings))
    return split_addresses(items)


def from_keys(values: Mapping[str, object], origin: str | None, findings: Findings) -> list[Item]:
    """Return what dotted keys set; without `origin` it is the flag of each. None sets nothing.

    Raises:
        SettingsError: a key names no setting.
    """
    items: list[Item] = []
    problems: list[str] = []
    for key, value in values.items():
        found = locate(key.split("."))
        if not isinstance(found, Found):
            problems.append(f"{key} is no setting{did_you_mean(key, leaf_by_key())}")
        elif value is not None:
            place = origin or f"flag {FLAGS.get(found.leaf.key, '--set')}"
            items.extend(_from_given(found, value, origin=place, findings=findings))
    if problems:
        raise SettingsError(problems)
    return split_addresses(items)


def _from_given(found: Found, value: object, *, origin: str, findings: Findings) -> list[Item]:
    """Return what one key and its value set, the value typed or still a text."""
    if found.rest:
        return [Item((*found.leaf.path, ".".join(found.rest)), value, origin)]
    if isinstance(value, str):
        return _from_text(found.leaf, value, origin=origin, findings=findings)
    return [Item(found.leaf.path, value, origin)]


def _from_text(leaf: Leaf, text: str, *, origin: str, findings: Findings) -> list[Item]:
    """Return what one text sets: a scalar, a comma list or JSON.

    Raises:
        SettingsError: a map or a list of entries that cannot be read.
    """
    looks_json = text.lstrip()[:1] in {"[", "{"}
    if leaf.kind is Kind.SCALAR or (leaf.kind is Kind.LIST and not looks_json):
        return [Item(leaf.path, text, origin)]
    value = _json_or_pairs(leaf, text, origin) if leaf.kind is Kind.MAP else read_json(text)
    if value is None:
        raise SettingsError([f"{leaf.key}: is no JSON ({origin})"])
    return list(shape(leaf, value, origin=origin, findings=findings))


def _json_or_pairs(leaf: Leaf, text: str, origin: str) -> object:
    """Read a map from JSON or from `a=b,c=d`."""
    if text.lstrip().startswith("{"):
        return read_json(text)
    pairs = [part.partition("=") for part in text.split(",") if part.strip()]
    if not all(separator for _, separator, _ in pairs):
        raise SettingsError([f"{leaf.key}: is neither JSON nor name=value,… ({origin})"])
    return {name.strip(): value.strip() for name, _, value in pairs}


def _is_not_ours(name: str) -> bool:
    """Tell whether a variable with our prefix is for somebody else: clients, tests."""
    return name in OTHER_VARIABLES or name.startswith(f"{ENV_PREFIX}TEST_")
