"""Settings in YAML files: positions, any spelling, placeholders, groups that appear twice."""

import re
from collections.abc import Mapping
from pathlib import Path

import yaml

from gpu_management.core.settings_items import (
    Findings,
    Item,
    SettingsError,
    flat,
    shape,
    split_addresses,
)
from gpu_management.core.settings_keys import Found, Group, Unknown, kebab, leaf_by_key, locate
from gpu_management.core.text import nearest

# ${NAME} and ${NAME:default}, never ${{NAME}}: that is a dollar sign before a template variable.
_PLACEHOLDER = re.compile(r"\$\{([A-Za-z_][A-Za-z0-9_.]*)(?::((?:[^{}]|\$?\{[^{}]*\})*))?\}")
_DEEPEST = 24


def from_file(path: Path, environ: Mapping[str, str], findings: Findings) -> list[Item]:
    """Return what a YAML file sets; several documents and repeated groups are merged.

    Raises:
        SettingsError: the file cannot be read, or is no YAML, or no mapping.
    """
    try:
        loader = yaml.SafeLoader(path.read_text(encoding="utf-8"))
        reader = _FileReader(loader, path.name, environ=environ, findings=findings)
        while loader.check_node():
            if (document := loader.get_node()) is not None:
                reader.read(document)
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError([f"{path}: cannot be read: {_reason(error)}"]) from error
    except yaml.MarkedYAMLError as error:
        # Not str(error): it quotes the line, which may hold a password.
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SettingsError([f"{path}:{line}: is no valid YAML: {error.problem}"]) from error
    except yaml.YAMLError as error:
        raise SettingsError([f"{path}: is no valid YAML: holds characters it may not"]) from error
    return split_addresses(reader.items)


def read_json(text: str) -> object:
    """Read JSON, which is YAML too, with every scalar as a text; None when it is neither."""
    loader = yaml.SafeLoader(text)
    try:
        return _plain(loader, loader.get_single_node())
    except yaml.YAMLError:
        return None


class _FileReader:
    """Walks one file and collects what it sets."""

    def __init__(
        self, loader: yaml.SafeLoader, name: str, *, environ: Mapping[str, str], findings: Findings
    ) -> None:
        """Read what `loader` parses of the file `name`, placeholders filled from `environ`."""
        self.items: list[Item] = []
        self._loader = loader
        self._name = name
        self._environ = environ
        self._findings = findings

    def read(self, node: yaml.Node, above: tuple[str, ...] = ()) -> None:
        """Take the settings of a group; an empty group sets nothing."""
        if isinstance(node, yaml.ScalarNode) and _is_null(node):
            return
        if not isinstance(node, yaml.MappingNode):
            wanted = f"{'.'.join(above)} is a group of settings and" if above else "the file"
            raise SettingsError([f"{self._origin(node)}: {wanted} needs `name: value` lines"])
        self._loader.flatten_mapping(node)
        for key_node, value_node in node.value:
            key = key_node.value if isinstance(key_node, yaml.ScalarNode) else "?"
            self._read_entry((*above, *key.split(".")), value_node, self._origin(key_node))

    def _read_entry(self, path: tuple[str, ...], node: yaml.Node, origin: str) -> None:
        """Take one key: a setting, a group, or something unknown."""
        found = locate(path)
        if isinstance(found, Group):
            self.read(node, path)
        elif isinstance(found, Found):
            self._take(found, _plain(self._loader, node), origin)
        elif found.is_spring:
            self._findings.ignored_spring.extend(_leaf_keys(self._loader, node, ".".join(path)))
        else:
            self._report(found, path, origin)

    def _take(self, found: Found, raw: object, origin: str) -> None:
        """Take the value of a setting, placeholders filled."""
        value = self._expanded(raw, origin)
        if found.rest:
            value = {".".join(found.rest): value}
        if found.convert is not None and isinstance(value, str):
            value = found.convert(value)
        self.items.extend(shape(found.leaf, value, origin=origin, findings=self._findings))

    def _expanded(self, value: object, origin: str) -> object:
        """Fill the placeholders of a value; one that has none to fill with makes it None."""
        if isinstance(value, str):
            missing: list[str] = []
            text = expand(value, self._environ, missing)
            for name in missing:
                self._findings.warn(
                    f"{origin}: ${{{name}}} has no value in the environment and no default"
                )
            return None if missing else text
        if isinstance(value, list):
            filled = [self._expanded(part, origin) for part in value]
            return [part for part in filled if part is not None]
        if isinstance(value, dict):
            return {name: self._expanded(part, origin) for name, part in value.items()}
        return value

    def _report(self, unknown: Unknown, path: tuple[str, ...], origin: str) -> None:
        """Say what a key may have meant: a neighbour, else any setting."""
        guess = nearest(unknown.segment, unknown.siblings) or nearest(
            kebab(path).removeprefix("gpu.management."), leaf_by_key()
        )
        hint = f"; did you mean {guess}?" if guess else ""
        self._findings.warn(f"{origin}: {'.'.join(path)} is no setting{hint}")

    def _origin(self, node: yaml.Node) -> str:
        """Say where a node is."""
        return f"{self._name}:{node.start_mark.line + 1}"


def expand(text: str, environ: Mapping[str, str], missing: list[str]) -> str:
    """Fill `${NAME}` and `${NAME:default}`; names without either are added to `missing`.

    What is filled in is not read again: a value cannot ask for another one.
    """

    def fill(match: re.Match[str]) -> str:
        name, default = match.groups()
        value = environ.get(name)
        if value is None:
            value = environ.get(name.upper().replace(".", "_"))
        if value is not None:
            return value
        if default is not None:
            return expand(default, environ, missing)
        missing.append(name)
        return ""

    return _PLACEHOLDER.sub(fill, text)


def _plain(loader: yaml.SafeLoader, node: yaml.Node | None, depth: int = 0) -> object:
    """Return a node as lists, dicts and texts: what a text means is the model's to say.

    Raises:
        SettingsError: it is nested without end.
    """
    if depth > _DEEPEST:
        raise SettingsError([f"a value is nested more than {_DEEPEST} levels deep"])
    if isinstance(node, yaml.MappingNode):
        loader.flatten_mapping(node)
        return {str(key.value): _plain(loader, value, depth + 1) for key, value in node.value}
    if isinstance(node, yaml.SequenceNode):
        return [_plain(loader, part, depth + 1) for part in node.value]
    return None if node is None or _is_null(node) else node.value


def _is_null(node: yaml.Node) -> bool:
    """Tell whether a scalar is YAML's null."""
    return bool(node.tag == "tag:yaml.org,2002:null")


def _leaf_keys(loader: yaml.SafeLoader, node: yaml.Node, key: str) -> list[str]:
    """Return the dotted keys below a node."""
    value = _plain(loader, node)
    return [f"{key}.{name}" for name, _ in flat(value)] if isinstance(value, dict) else [key]


def _reason(error: OSError | UnicodeDecodeError) -> str:
    """Say why a file cannot be read."""
    return (error.strerror or str(error)) if isinstance(error, OSError) else "it is not UTF-8"
