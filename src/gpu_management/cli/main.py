"""The commands `gpuctl` and `kubectl gpu`.

Exit codes: 0 done, 1 the server refused, 2 wrong usage, 3 no server, 4 not allowed, 5 waited in
vain, 130 interrupted.
"""

import typer

from gpu_management.cli import admin, allocations, costs, inventory, local, mig, overview

_ABOUT = "See, take and return the GPUs of a cluster; start the server that manages them."
_CODES = (
    "Exit codes: 0 done, 1 the server refused, 2 wrong usage, 3 no server answers, "
    "4 not allowed, 5 waited in vain."
)


def build() -> typer.Typer:
    """Return the application with all its commands."""
    app = typer.Typer(
        help=_ABOUT,
        epilog=_CODES,
        no_args_is_help=True,
        # A traceback with local variables would print keys.
        pretty_exceptions_enable=False,
        context_settings={"help_option_names": ["-h", "--help"]},
    )
    for part in (overview, inventory, mig, allocations, costs, admin, local):
        part.install(app)
    return app


def main() -> None:
    """Run `gpuctl`."""
    build()(prog_name="gpuctl")


def kubectl_main() -> None:
    """Run the same as a plugin of kubectl."""
    build()(prog_name="kubectl gpu")
