"""The options that all commands share."""

from inspect import Parameter
from pathlib import Path
from typing import Annotated, Any

import typer

from gpu_management.cli.output import Format

DEFAULT_SERVER = "http://127.0.0.1:8080"
SERVER_VARIABLE = "GPU_MANAGEMENT_API"
KEY_VARIABLE = "GPU_MANAGEMENT_API_KEY"


def _option(name: str, kind: Any, info: Any, *, default: Any) -> Parameter:
    annotation = Annotated[kind, info]
    return Parameter(name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)


FORMAT = _option(
    "output",
    Format,
    typer.Option("--output", "-o", help="How to print.", rich_help_panel="Output"),
    default=Format.TABLE,
)
SERVER = _option(
    "server",
    str,
    typer.Option(
        "--server",
        "-s",
        envvar=SERVER_VARIABLE,
        metavar="URL",
        help="Where the control plane answers.",
        rich_help_panel="Connection",
    ),
    default=DEFAULT_SERVER,
)
KEY_FILE = _option(
    "api_key_file",
    Path | None,
    typer.Option(
        metavar="FILE",
        help=f"File with the API key; else the variable {KEY_VARIABLE}.",
        rich_help_panel="Connection",
    ),
    default=None,
)
TIMEOUT = _option(
    "request_timeout",
    float,
    typer.Option(
        min=0.1,
        metavar="SECONDS",
        help="How long one request may take.",
        rich_help_panel="Connection",
    ),
    default=30.0,
)
WATCH = _option(
    "watch",
    bool,
    typer.Option("--watch", "-w", help="Repeat until Ctrl-C.", rich_help_panel="Output"),
    default=False,
)
INTERVAL = _option(
    "interval",
    float,
    typer.Option(
        min=0.2, metavar="SECONDS", help="Pause between two looks.", rich_help_panel="Output"
    ),
    default=2.0,
)
ALWAYS = (FORMAT, SERVER, KEY_FILE, TIMEOUT)
WATCHING = (WATCH, INTERVAL)

Limit = Annotated[
    int | None, typer.Option(min=1, metavar="N", help="At most N rows; without it, all.")
]
Sort = Annotated[
    str | None, typer.Option(metavar="FIELD", help="Sort by a field; -FIELD reverses.")
]
