"""Makes docs/reference/commands.md from the commands themselves."""

from collections.abc import Iterator
from enum import Enum
from typing import Any, Final, get_args

from gpu_management.cli.errors import ExitCode
from gpu_management.cli.lazy import COMMANDS, load
from tools.docs_product import MADE, REFERENCE

PAGE = REFERENCE / "commands.md"
_SHARED: Final = (
    "output", "server", "api_key_file", "request_timeout", "watch", "interval", "help",
)  # fmt: skip
_EXIT: Final = {
    ExitCode.OK: "done",
    ExitCode.REFUSED: "the server refused; the reason is on standard error",
    ExitCode.USAGE: "wrong usage, or settings that cannot be used",
    ExitCode.UNREACHABLE: "nobody answers at the address of the server, or of the database",
    ExitCode.DENIED: "not authenticated, or not allowed",
    ExitCode.TIMED_OUT: "waited in vain",
    ExitCode.INTERRUPTED: "interrupted",
}
_INTRO: Final = """\
`gpuctl COMMAND --help` says the same on the terminal; `kubectl gpu` is the same program. How to
work with it: [the guide](../guides/cli.md)."""


def page() -> str:
    """Return the text of the page."""
    lines = ["# Commands", "", MADE, "", _INTRO, "", *_shared(), *_exit_codes()]
    for name in COMMANDS:
        lines += _command(f"gpuctl {name}", load(name))
    return "\n".join(lines) + "\n"


def names() -> list[str]:
    """Return every command, as it is typed."""
    return [title for name in COMMANDS for title, _ in _leaves(f"gpuctl {name}", load(name))]


def _leaves(title: str, command: Any) -> Iterator[tuple[str, Any]]:
    inside = getattr(command, "commands", None)
    if inside is None:
        yield title, command
        return
    for name, child in inside.items():
        yield from _leaves(f"{title} {name}", child)


def _command(title: str, command: Any) -> Iterator[str]:
    inside = getattr(command, "commands", None)
    if inside is not None:
        yield from (f"## {title}", "", command.help, "")
    mark = "##" if inside is None else "###"
    for name, leaf in _leaves(title, command):
        yield from _leaf(name, leaf, mark=mark)


def _leaf(title: str, command: Any, *, mark: str) -> Iterator[str]:
    arguments = [p for p in command.params if type(p).__name__ == "TyperArgument"]
    options = [p for p in command.params if p not in arguments and p.name not in _SHARED]
    usage = " ".join([title, *(_placeholder(p) for p in arguments), *["[OPTIONS]"][: len(options)]])
    yield from (f"{mark} {title}", "", " ".join((command.help or "").split()), "")
    yield from ("```", usage, "```", "")
    if options:
        yield from ("| Option | Value | Meaning |", "| --- | --- | --- |")
        yield from (_row(option) for option in options)
        yield ""


def _placeholder(argument: Any) -> str:
    name = argument.metavar or argument.name.upper()
    return name if argument.required else f"[{name}]"


def _row(option: Any) -> str:
    names = ", ".join(f"`{name}`" for name in (*option.opts, *option.secondary_opts))
    meaning = [option.help or ""]
    if option.required:
        meaning.append("Required.")
    elif option.default not in (None, False, (), []):
        default = option.default.value if isinstance(option.default, Enum) else option.default
        meaning.append(f"Default `{default}`.")
    return f"| {names} | {_value(option)} | {' '.join(filter(None, meaning))} |".replace("  ", " ")


def _value(option: Any) -> str:
    if option.is_flag:
        return ""
    if option.metavar:
        return f"`{option.metavar}`"
    wanted = option.type_descriptor.annotation
    is_list = getattr(wanted, "__origin__", None) is list
    if is_list:
        wanted = get_args(wanted)[0]
    if isinstance(wanted, type) and issubclass(wanted, Enum):
        return " ".join(f"`{choice.value}`" for choice in wanted)
    kinds = {"str": "text", "int": "number", "float": "number", "Path": "file", "bool": ""}
    name = kinds.get(getattr(wanted, "__name__", ""), "text")
    return f"{name}, repeatable" if is_list else name


def _shared() -> Iterator[str]:
    """Yield what commands that ask the server have in common, read from one that has it all."""
    listing = load("devices").commands["list"]
    yield from ("## Options of every command that asks the server", "")
    yield from ("| Option | Value | Meaning |", "| --- | --- | --- |")
    yield from (_row(o) for o in listing.params if o.name in _SHARED and o.name != "help")
    yield from ("| `--help`, `-h` | | Explain the command. |", "")
    yield "Commands that only read offer `--watch` and `--interval`. The address of the server is"
    yield "also read from `GPU_MANAGEMENT_API`, the API key from `GPU_MANAGEMENT_API_KEY`."
    yield "The server is named after the command: `gpuctl overview --server http://host:8080`."
    yield ""


def _exit_codes() -> Iterator[str]:
    yield from ("## Exit codes", "", "| Code | Meaning |", "| --- | --- |")
    yield from (f"| {code.value} | {_EXIT[code]} |" for code in ExitCode)
    yield ""
