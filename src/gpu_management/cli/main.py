"""The commands `gpuctl` and `kubectl gpu`.

Exit codes: 0 done, 1 the server refused, 2 wrong usage, 3 no server, 4 not allowed, 5 waited in
vain, 130 interrupted.
"""

from typing import Annotated

import typer

from gpu_management.cli.lazy import LazyGroup

_ABOUT = "See, take and return the GPUs of a cluster; start the server that manages them."
_CODES = (
    "Exit codes: 0 done, 1 the server refused, 2 wrong usage, 3 no server answers, "
    "4 not allowed, 5 waited in vain."
)


def build() -> typer.Typer:
    """Return the application with all its commands."""
    app = typer.Typer(
        cls=LazyGroup,
        epilog=_CODES,
        no_args_is_help=True,
        # A traceback with local variables would print keys.
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    app.callback(help=_ABOUT)(_root)
    return app


def main() -> None:
    """Run `gpuctl`."""
    build()(prog_name="gpuctl")


def kubectl_main() -> None:
    """Run the same as a plugin of kubectl."""
    build()(prog_name="kubectl gpu")


def _root(
    context: typer.Context,
    *,
    server: Annotated[
        str | None,
        typer.Option("--server", "-s", metavar="URL", help="Where the control plane answers."),
    ] = None,
) -> None:
    """Keep what is told before the command; the command reads it."""
    context.obj = server
