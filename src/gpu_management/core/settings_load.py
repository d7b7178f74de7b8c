"""Reads the settings: default < file < profile < environment < flag, each with its origin."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from gpu_management.core.settings import Settings, auth_enforced, is_loopback
from gpu_management.core.settings_items import Findings, Item, SettingsError
from gpu_management.core.settings_keys import Kind, Leaf, kebab, leaves
from gpu_management.core.settings_sources import from_environment, from_keys
from gpu_management.core.settings_yaml import from_file
from gpu_management.core.text import did_you_mean, is_secret_name, mask_secrets

PROFILES: Mapping[str, Mapping[str, object]] = {
    "base": {},
    "development": {"security.mode": "disabled"},
    "production": {"security.mode": "enforced"},
    "gpu": {},
    "test": {"security.mode": "disabled", "cache.enabled": False, "logging.level": "WARNING"},
}
"""What each built-in profile sets, before its own file does."""

_SUFFIXES = (".yml", ".yaml")


@dataclass(frozen=True, slots=True)
class Loaded:
    """Settings, where each value that is not a default comes from, and what people should know."""

    settings: Settings
    origins: Mapping[str, str]
    warnings: tuple[str, ...]


def load(
    *,
    config: Sequence[Path] = (),
    profiles: Sequence[str] = (),
    environ: Mapping[str, str],
    flags: Mapping[str, object],
) -> Loaded:
    """Read all sources and return the settings.

    `config` holds files or folders (application.yml in them); the keys of `flags` are setting
    keys such as "server.port", None meaning that the flag was not given.

    Raises:
        SettingsError: a file cannot be read or values are wrong; it lists all of them.
    """
    findings = Findings()
    chosen = _chosen_profiles(profiles, environ)
    files = _files(tuple(config) or _configured(environ), findings)
    items = [
        item for path in files if path.is_file() for item in from_file(path, environ, findings)
    ]
    for profile in chosen:
        items += _from_profile(profile, files, environ=environ, findings=findings)
    items += from_environment(environ, findings)
    items += from_keys(flags, None, findings)
    merged = {item.path: item for item in items}
    settings = _validated(merged, chosen)
    _warn_of_unsendable(settings, findings)
    return Loaded(settings, _origins(merged), tuple(mask_secrets(w) for w in findings.all()))


def bind_check(settings: Settings) -> None:
    """Refuse to let other machines in without asking who they are.

    Raises:
        SettingsError: the address is reachable from outside, nobody has to log in, and
            `server.insecure` does not say that this is meant.
    """
    server = settings.server
    if auth_enforced(settings) or server.insecure or is_loopback(server.host):
        return
    raise SettingsError(
        [
            f"authentication is disabled and {server.host} can be reached from other machines: "
            "set security.mode to enforced, listen on 127.0.0.1, or start with --insecure"
        ]
    )


def _chosen_profiles(given: Sequence[str], environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the active profiles in order, once each."""
    texts = list(given) or [
        environ.get("GPU_MANAGEMENT_PROFILES") or environ.get("SPRING_PROFILES_ACTIVE") or ""
    ]
    names = [name.strip().casefold() for text in texts for name in text.split(",")]
    return tuple(dict.fromkeys(name for name in names if name))


def _configured(environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Return the files and folders that the environment names."""
    names = environ.get("GPU_MANAGEMENT_CONFIG", "").split(",")
    return tuple(Path(name.strip()) for name in names if name.strip())


def _files(config: Sequence[Path], findings: Findings) -> list[Path]:
    """Return the files of the base layer; of a folder its application.yml, if it has one.

    Raises:
        SettingsError: a file or folder does not exist.
    """
    missing = [path for path in config if not path.exists()]
    if missing:
        raise SettingsError([f"configuration {path} does not exist" for path in missing])
    files = []
    for path in config:
        base = _first_existing(path / "application") if path.is_dir() else path
        if base is None and not any(path.glob("application-*.y*ml")):
            findings.warn(f"configuration folder {path} holds no application.yml")
        # Kept even when absent: the files of the profiles are looked for beside it.
        files.append(base or path / "application.yml")
    return files


def _first_existing(stem: Path) -> Path | None:
    """Return the file of this name with a YAML suffix."""
    paths = (stem.with_name(stem.name + suffix) for suffix in _SUFFIXES)
    return next((path for path in paths if path.is_file()), None)


def _from_profile(
    profile: str, files: Sequence[Path], *, environ: Mapping[str, str], findings: Findings
) -> list[Item]:
    """Return what a profile sets: its built-in values, then its file beside each base file."""
    items = from_keys(PROFILES.get(profile, {}), f"profile {profile}", findings)
    beside = [_first_existing(path.with_name(f"{path.stem}-{profile}")) for path in files]
    own = [path for path in beside if path is not None and path not in files]
    for path in own:
        items += from_file(path, environ, findings)
    if not own and profile not in PROFILES:
        hint = did_you_mean(profile, PROFILES)
        findings.warn(f"profile {profile} is not built in and has no file{hint}")
    return items


def _validated(merged: Mapping[tuple[str, ...], Item], profiles: tuple[str, ...]) -> Settings:
    """Return the settings, or say everything that is wrong with them at once."""
    tree: dict[str, object] = {"profiles": profiles}
    for path, item in merged.items():
        _put(tree, path, item.value)
    try:
        return Settings.model_validate(tree)
    except ValidationError as error:
        details = error.errors(include_url=False, include_context=False)
        problems = dict.fromkeys(_sentence(detail, merged) for detail in details)
        raise SettingsError(list(problems)) from None


def _put(tree: dict[str, object], path: Sequence[str], value: object) -> None:
    """Set a value deep in a tree of dicts."""
    *above, name = path
    node = tree
    for part in above:
        child = node.setdefault(part, {})
        if not isinstance(child, dict):
            raise SettingsError([f"{kebab(path[:-1])}: needs `name: value` entries"])
        node = child
    node[name] = value


def _sentence(detail: ErrorDetails, merged: Mapping[tuple[str, ...], Item]) -> str:
    """Say which setting is wrong, why, what it was unless that is secret, and where it is set."""
    place = tuple(str(part) for part in detail["loc"])
    key = kebab(place)
    item = next(
        (merged[place[:end]] for end in range(len(place), 0, -1) if place[:end] in merged), None
    )
    reason = detail["msg"].removeprefix("Value error, ")
    reason = reason.replace("Input should be", "should be").rstrip(".")
    given = "" if _is_secret(place) else f", not {detail['input']!r}"
    if detail["type"] == "value_error":
        given = "" if _is_secret(place) else f" ({detail['input']!r})"
    origin = f" ({item.origin})" if item else ""
    return mask_secrets(f"{key}: {reason}{given}{origin}")


def _is_secret(place: Sequence[str]) -> bool:
    """Tell whether the value there may not be shown."""
    leaf = _leaf_of(place)
    return leaf is None or leaf.is_secret or any(is_secret_name(part) for part in place)


def _leaf_of(place: Sequence[str]) -> Leaf | None:
    """Return the setting that a place in the model belongs to."""
    return next((leaf for leaf in leaves() if leaf.path == tuple(place[: len(leaf.path)])), None)


def _origins(merged: Mapping[tuple[str, ...], Item]) -> dict[str, str]:
    """Return where each setting comes from; entries of maps are `key[name]`."""
    return dict(_named_origins(merged))


def _named_origins(merged: Mapping[tuple[str, ...], Item]) -> Iterator[tuple[str, str]]:
    """Yield every setting and entry with its origin, in the order of the model."""
    for leaf in leaves():
        if leaf.kind is not Kind.MAP:
            item = merged.get(leaf.path)
            yield leaf.key, item.origin if item else "default"
            continue
        entries = {p[-1]: i for p, i in merged.items() if p[:-1] == leaf.path}
        yield leaf.key, "default" if not entries else "entries"
        for name, item in entries.items():
            yield f"{leaf.key}[{name}]", item.origin


def _warn_of_unsendable(settings: Settings, findings: Findings) -> None:
    """Name the receivers that have no address: they are skipped."""
    for endpoint in settings.webhooks.endpoints if settings.webhooks.enabled else ():
        if not (endpoint.url and endpoint.url.get_secret_value()):
            findings.warn(f"webhooks.endpoints {endpoint.name} has no url and is skipped")
