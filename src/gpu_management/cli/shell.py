"""What surrounds every command: the client, the printer, watching, and how failures end."""

import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from inspect import Parameter, Signature, signature
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from gpu_management.cli import options
from gpu_management.cli.errors import CliError, ExitCode, Misused, Refused
from gpu_management.cli.output import Column, Format, Printer, error_console, remark

if TYPE_CHECKING:
    from gpu_management.cli.client import ApiClient

Command = Callable[..., None]
_CONTEXT = Parameter("command_context", Parameter.KEYWORD_ONLY, annotation=typer.Context)


@dataclass(frozen=True)
class Shell:
    """What a command gets: the API and a printer."""

    server: str
    key_file: Path | None
    timeout_seconds: float
    printer: Printer

    @cached_property
    def api(self) -> "ApiClient":
        """Return the client; connecting is left to the first request."""
        from gpu_management.cli.client import ApiClient

        return ApiClient(
            self.server, api_key=_key(self.key_file), timeout_seconds=self.timeout_seconds
        )

    def listing(
        self,
        path: str,
        columns: Sequence[Column],
        *,
        empty: str,
        limit: int | None = None,
        **query: object,
    ) -> None:
        """Read a list and print it; say so when there is more of it."""
        answer = self.api.rows(path, limit=limit, **query)
        self.printer.rows(answer.data, columns, empty=empty)
        shown = len(answer.data)
        if answer.total is not None and shown < answer.total and self.printer.is_for_people():
            remark(f"{shown} of {answer.total:,}; --limit shows more")

    def object(self, path: str) -> dict[str, Any]:
        """Read an object; people see its ETag too, the others get it as the server sent it."""
        answer = self.api.get(path)
        found: dict[str, Any] = answer.data
        return found | ({"etag": answer.etag} if self.printer.is_for_people() else {})

    def send(self, method: str, path: str, body: Any = None, *, if_match: str | None = None) -> Any:
        """Send a change and return what the server made of it."""
        answer = self.api.call(method, path, body=body, if_match=if_match)
        if answer.warning:
            remark(f"warning: {answer.warning}")
        return answer.data


def command(
    app: typer.Typer, name: str, *, watchable: bool = False
) -> Callable[[Command], Command]:
    """Register a function of `app` that takes a Shell first, with the options all share."""

    def register(function: Command) -> Command:
        own = list(signature(function).parameters.values())[1:]
        shared = (*(options.WATCHING if watchable else ()), *options.ALWAYS)

        def run(**given: Any) -> None:
            context = given.pop(_CONTEXT.name)
            told = {parameter.name: given.pop(parameter.name) for parameter in shared}
            told["server"] = _server(context, told["server"])
            interval = told["interval"] if told.get("watch") else None
            with failing_well(told["output"]):
                _run(lambda shell: function(shell, **given), _shell(told), interval)

        _look_like(run, function, [*(_keyword(p) for p in own), *shared, _CONTEXT])
        app.command(name)(run)
        return function

    return register


def _server(context: typer.Context, server: str) -> str:
    """Return the address told with the command, else the one before it, else the usual one."""
    source = context.get_parameter_source("server")
    before = context.find_root().obj
    is_told = source is not None and source.name == "COMMANDLINE"
    return server if is_told or not isinstance(before, str) else before


def group(name: str, about: str, *, inside: typer.Typer) -> typer.Typer:
    """Return a new group of commands, registered inside another."""
    made = typer.Typer(help=about, no_args_is_help=True)
    inside.add_typer(made, name=name)
    return made


@contextmanager
def failing_well(form: Format = Format.TABLE) -> Iterator[None]:
    """End with the exit code that belongs to a failure, after one line about it; bugs pass."""
    try:
        yield
    except CliError as error:
        _tell(error, form)
        raise typer.Exit(error.exit_code) from error
    except KeyboardInterrupt as error:
        raise typer.Exit(ExitCode.INTERRUPTED) from error
    except BrokenPipeError as error:
        # `gpuctl … | head` closes early; the interpreter must not complain when it flushes.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise typer.Exit(ExitCode.OK) from error


def _keyword(parameter: Parameter) -> Parameter:
    return parameter.replace(kind=Parameter.KEYWORD_ONLY)


def _look_like(run: Command, function: Command, parameters: Sequence[Parameter]) -> None:
    """Give `run` the signature and the help that typer reads."""
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined]
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    run.__doc__ = function.__doc__


def _shell(told: dict[str, Any]) -> Shell:
    printer = Printer(told["output"])
    return Shell(told["server"], told["api_key_file"], told["request_timeout"], printer)


def _run(look: Callable[[Shell], None], shell: Shell, interval: float | None) -> None:
    try:
        if interval is None:
            look(shell)
        else:
            _watch(lambda: look(shell), interval)
    finally:
        if "api" in shell.__dict__:
            shell.api.close()


def _watch(look: Callable[[], None], interval: float) -> None:
    try:
        while True:
            if sys.stdout.isatty():
                sys.stdout.write("\x1b[H\x1b[2J\x1b[3J")
            look()
            sys.stdout.flush()
            time.sleep(interval)
    except KeyboardInterrupt:  # the usual way to stop looking
        sys.stdout.write("\n")


def _key(key_file: Path | None) -> str | None:
    if key_file is None:
        return os.environ.get(options.KEY_VARIABLE, "").strip() or None
    try:
        key = key_file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not plain text"
        raise Misused(f"cannot read the API key from {key_file}: {reason}") from error
    if not key or len(key.split()) != 1:
        raise Misused(f"{key_file} does not hold one API key")
    return key


def _tell(error: CliError, form: Format) -> None:
    if isinstance(error, Refused) and form is Format.JSON:
        import json

        remark(json.dumps(error.problem, indent=2, ensure_ascii=False))
        return
    from rich.text import Text

    title = "error"
    if isinstance(error, Refused):
        title = f"{error.problem.get('title') or 'refused'} ({error.status})"
    error_console().print(Text(title, style="bold red") + Text(f": {error}"), soft_wrap=True)
    for line in _more(error):
        remark(f"  {line}")


def _more(error: CliError) -> Iterator[str]:
    """Yield what a refusal says about fields and candidates."""
    if not isinstance(error, Refused):
        return
    for field in error.problem.get("errors") or ():
        message = str(field.get("message"))
        told = field.get("rejectedValue")
        got = "" if told is None else f" (got {told!r})"
        # What the sentence above says already is not said twice.
        yield str(field.get("field")) + ("" if message in str(error) else f": {message}") + got
    refusals = error.problem.get("refusals")
    if refusals:
        yield from _refusals(refusals)
    if error.exit_code is ExitCode.DENIED:
        yield f"give a key with --api-key-file FILE or in {options.KEY_VARIABLE}"


def _refusals(refusals: Sequence[dict[str, Any]]) -> Iterator[str]:
    """Yield a small table: what each class of candidates lacked."""
    names = ("reason", "devices", "nodes", "wanted", "largest")
    shown = [name for name in names if any(r.get(name) is not None for r in refusals)]
    rows = [[name.upper() for name in shown]]
    rows += [["-" if r.get(n) is None else str(r[n]) for n in shown] for r in refusals]
    widths = [max(len(row[at]) for row in rows) for at in range(len(shown))]
    for first, *others in rows:
        cells = (c.rjust(w) for c, w in zip(others, widths[1:], strict=True))
        yield "  ".join([first.ljust(widths[0]), *cells])
