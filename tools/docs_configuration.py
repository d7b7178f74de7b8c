"""Makes docs/reference/configuration.md and .env.example from the settings model."""

from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from gpu_management.core.settings_keys import (
    CONVENTIONAL_NAMES,
    ENV_PREFIX,
    OTHER_VARIABLES,
    SPRING_KEYS,
    Kind,
    Leaf,
    leaves,
)
from gpu_management.core.settings_load import PROFILES
from gpu_management.core.settings_report import env_names, printable
from gpu_management.core.settings_sources import FLAGS

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "reference" / "configuration.md"
ENV_EXAMPLE = ROOT / ".env.example"

_INTRO = f"""# Configuration

<!-- Made from the settings model by `make docs`; edit the descriptions there. -->

`gpuctl config show --origin` prints every setting with its value and where it comes from.
Later sources win: **default, file, profile, environment, flag**.

- **Files**: `--config PATH` (or `GPU_MANAGEMENT_CONFIG`), a YAML file or a folder with an
  `application.yml`; several are allowed. Keys stand below `gpu.management` or at the top.
  `ttl-seconds`, `ttlSeconds` and `ttl_seconds` are one key. Names that are yours (groups,
  templates, headers, loggers) are kept as written. Groups that appear twice are merged.
- **Durations** are numbers in the unit of the key, or `15s`, `500ms`, `1h30m`, `PT15S`; the
  unit in the key may be left out: `collection-interval: 15s`.
- **`${{NAME}}`** and **`${{NAME:default}}`** are filled from the environment. A name with no
  value and no default leaves the setting unset and is reported. `${{{{name}}}}` is left alone: it
  is a dollar sign before a template variable.
- **Environment**: `{ENV_PREFIX}` and the key in capitals with `_`, for example
  `{ENV_PREFIX}CACHE_TTL_SECONDS` (or `{ENV_PREFIX}CACHE__TTL_SECONDS`). Lists are
  separated by commas; maps are `name=value,…` or JSON; lists of entries are JSON. An empty
  variable sets nothing.
- Unknown names are reported with the nearest known one. Wrong values stop the start, all of
  them named. Secrets are never printed.
"""


def page() -> str:
    """Return the text of the reference page."""
    parts = [_INTRO.rstrip(), *_profiles(), *_sections(), *_conventional(), *_spring(), *_others()]
    return "\n".join(parts) + "\n"


def env_example() -> str:
    """Return the text of .env.example: every variable, commented out, with its default."""
    lines = [
        "# Every environment variable this product reads; a line that is commented out shows the",
        "# default. Made from the settings model by `make docs`.",
        "",
        "# Names that deployments already use",
    ]
    described = {leaf.key: leaf.description for leaf in leaves()}
    for name, key in CONVENTIONAL_NAMES.items():
        lines += [f"# {described[key]} ({key})", f"#{name}="]
    lines += ["", "# Read beside the settings"]
    for name, text in OTHER_VARIABLES.items():
        lines += [f"# {text}", f"#{name}="]
    for section, members in groupby(leaves(), key=lambda leaf: leaf.path[0]):
        lines += ["", f"# {section}"]
        for leaf in members:
            lines += [f"# {leaf.description}", f"#{leaf.env}={_default(leaf)}"]
    return "\n".join(lines) + "\n"


def main() -> None:
    """Write both files."""
    PAGE.parent.mkdir(parents=True, exist_ok=True)
    PAGE.write_text(page(), encoding="utf-8")
    ENV_EXAMPLE.write_text(env_example(), encoding="utf-8")


def _profiles() -> Iterator[str]:
    """Yield the chapter on profiles."""
    yield "\n## Profiles\n"
    yield "`--profile NAME` (or `GPU_MANAGEMENT_PROFILES`, `SPRING_PROFILES_ACTIVE`), several with"
    yield "commas: `production,gpu`; later ones win. A profile sets its built-in values, then those"
    yield "of `application-NAME.yml` beside the configuration file. Own names need such a file.\n"
    yield "| Profile | Built-in values |"
    yield "| --- | --- |"
    for name, values in PROFILES.items():
        text = ", ".join(f"`{key}: {printable(value)}`" for key, value in values.items())
        yield f"| {name} | {text or 'none'} |"


def _sections() -> Iterator[str]:
    """Yield one table for each group of settings."""
    for section, members in groupby(leaves(), key=lambda leaf: leaf.path[:-1]):
        yield f"\n## {'.'.join(section)}\n"
        yield "| Key | Default | Meaning | Environment |"
        yield "| --- | --- | --- | --- |"
        yield from (_row(leaf) for leaf in members)


def _row(leaf: Leaf) -> str:
    """Write the table row of one setting."""
    default = _default(leaf)
    names = "<br>".join(f"`{name}`" for name in env_names(leaf))
    flag = f" Flag `{FLAGS[leaf.key]}`." if leaf.key in FLAGS else ""
    kinds = {Kind.LIST: " (list)", Kind.MAP: " (map)", Kind.RECORDS: " (list of entries)"}
    secret = " Secret." if leaf.is_secret else ""
    name = leaf.key.rsplit(".", maxsplit=1)[-1]
    meaning = f"{leaf.description}{secret}{flag}".replace("|", "\\|")
    shown = f"`{default}`" if default else ""
    return f"| `{name}`{kinds.get(leaf.kind, '')} | {shown} | {meaning} | {names} |"


def _conventional() -> Iterator[str]:
    """Yield the chapter on names that deployments already use."""
    yield "\n## Conventional environment names\n"
    yield "| Variable | Setting |"
    yield "| --- | --- |"
    yield from (f"| `{name}` | `{key}` |" for name, key in CONVENTIONAL_NAMES.items())


def _spring() -> Iterator[str]:
    """Yield the chapter on Spring's keys."""
    yield "\n## Spring keys\n"
    yield "These keys are read as ours, and `server.servlet.context-path` as `server.context-path`."
    yield "Any other `spring.*` key is listed once as ignored.\n"
    yield "| Key | Setting |"
    yield "| --- | --- |"
    yield from (f"| `spring.{name}` | `{key}` |" for name, key in SPRING_KEYS.items())


def _others() -> Iterator[str]:
    """Yield the chapter on variables that are no settings."""
    yield "\n## Other environment variables\n"
    yield "| Variable | Meaning |"
    yield "| --- | --- |"
    yield from (f"| `{name}` | {text} |" for name, text in OTHER_VARIABLES.items())


def _default(leaf: Leaf) -> str:
    """Write the default of a setting."""
    return printable(leaf.default)


if __name__ == "__main__":
    main()
