"""What pages tell people to type exists: commands with their options, addresses, settings."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gpu_management.auth.access import Permission
from gpu_management.cli.lazy import COMMANDS, load
from gpu_management.core.settings_keys import leaves
from tests.docs.test_pages import ROOT, pages
from tools.docs_events import KINDS
from tools.docs_product import facts

GENERATED = {"commands.md", "configuration.md"}
WRITTEN = [page for page in pages() if page.name not in GENERATED]
NAMED = pytest.mark.parametrize("page", WRITTEN, ids=lambda page: str(page.relative_to(ROOT)))
ANY = {"--help", "-h", "--install-completion", "--show-completion"}


def typed(page: Path) -> Iterator[str]:
    """Yield every use of gpuctl: lines of blocks, and code within a sentence."""
    text = page.read_text(encoding="utf-8").replace("\\\n", " ")
    for block in re.findall(r"```\w*\n(.*?)```", text, re.DOTALL):
        yield from re.findall(r"\bgpuctl .*?(?=\s#|[)|>]|$)", block, re.MULTILINE)
    prose = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    yield from (code for code in re.findall(r"`([^`\n]+)`", prose) if code.startswith("gpuctl "))


def check(line: str) -> None:
    """Walk to the command that `line` calls and look its options up."""
    first, *words = [word.strip(",.;") for word in shlex.split(line)[1:]]
    if first == "--server":
        _address, first, *words = words
    if first in ANY or first == "COMMAND":
        return
    assert first in COMMANDS, line
    command: Any = load(first)
    while inside := getattr(command, "commands", None):
        if not words or words[0].startswith("-"):
            break
        assert words[0] in inside, line
        command = inside[words.pop(0)]
    known = {name for parameter in command.params for name in parameter.opts} | ANY
    options = {word.split("=")[0] for word in words if re.match(r"--?[a-zA-Z]", word)}
    assert options <= known, f"{line}: {options - known}"


@NAMED
def test_every_command_that_a_page_shows_can_be_typed(page: Path) -> None:
    for line in typed(page):
        check(line)


@NAMED
def test_every_address_that_a_page_names_is_answered(page: Path) -> None:
    offered = [re.sub(r"{\w+}", "[^/]+", path) for path in facts().openapi["paths"]]
    text = page.read_text(encoding="utf-8")
    for address in re.findall(r"(?<![\w.])/(?:api/v1|actuator)(?:/[\w{}-]+)+", text):
        assert any(re.fullmatch(path, address) for path in offered), address


@NAMED
def test_every_setting_that_a_page_names_exists(page: Path) -> None:
    keys = {leaf.key for leaf in leaves()}
    sections = "|".join(sorted({re.escape(key.split(".")[0]) for key in keys}))
    text = page.read_text(encoding="utf-8")
    for name in re.findall(rf"`((?:{sections})\.[a-z-]+(?:\.[a-z-]+)*)(?::[^`]*)?`", text):
        is_module = (
            name.endswith(".py") or (ROOT / "src/gpu_management" / name.split(".")[0]).is_dir()
        )
        is_other = name in KINDS or name in set(Permission)
        assert name in keys or is_module or is_other, name
