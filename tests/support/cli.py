"""Run `gpuctl` in this process, against a real server."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from typer.testing import CliRunner

from gpu_management.cli.main import build
from tests.support.server import LiveServer

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True, slots=True)
class Ran:
    """How a command ended, and what it wrote."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        """Return what was printed as JSON."""
        return json.loads(self.out)

    @property
    def lines(self) -> list[str]:
        """Return what was printed, by lines."""
        return self.out.splitlines()


def gpuctl(
    server: LiveServer | None, *arguments: str, columns: int | None = 80, **environ: str
) -> Ran:
    """Run a command and return how it ended; a bug in it is raised."""
    told: Mapping[str, str | None] = {
        "GPU_MANAGEMENT_API": server.url if server else None,
        "GPU_MANAGEMENT_API_KEY": None,
        "COLUMNS": str(columns) if columns else None,
        "NO_COLOR": "1",
        "_TYPER_FORCE_DISABLE_TERMINAL": "1",
    }
    done = CliRunner().invoke(build(), list(arguments), env={**told, **environ})
    if done.exception is not None and not isinstance(done.exception, SystemExit):
        raise done.exception
    return Ran(done.exit_code, done.stdout, done.stderr)
