"""How a command fails: one exit code for each kind of failure."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any


class ExitCode(IntEnum):
    """What the shell sees."""

    OK = 0
    REFUSED = 1
    USAGE = 2
    UNREACHABLE = 3
    DENIED = 4
    TIMED_OUT = 5
    INTERRUPTED = 130


class CliError(Exception):
    """A failure that ends the command with one sentence on standard error."""

    exit_code = ExitCode.REFUSED


class Misused(CliError):
    """The command line or something it names cannot be used."""

    exit_code = ExitCode.USAGE


class Unreachable(CliError):
    """Nobody answers at the server's address."""

    exit_code = ExitCode.UNREACHABLE


class TimedOut(CliError):
    """What was waited for did not happen in time."""

    exit_code = ExitCode.TIMED_OUT


class Refused(CliError):
    """The server answered with a problem document."""

    def __init__(self, status: int, problem: Mapping[str, Any]) -> None:
        """Keep the whole document: it names fields and candidates."""
        super().__init__(str(problem.get("detail") or f"the server answered {status}"))
        self.status = status
        self.problem = problem

    @property
    def code(self) -> str:
        """Return the code that programs compare, such as GPU_NOT_AVAILABLE."""
        return str(self.problem.get("code", ""))


class Denied(Refused):
    """The server does not know the caller, or the caller may not do that."""

    exit_code = ExitCode.DENIED
