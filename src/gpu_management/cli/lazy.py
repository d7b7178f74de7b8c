"""Load a command when it is called: `--help` shows names and sentences without the rest."""

from importlib import import_module
from typing import Any, Final

import typer
from typer.core import TyperCommand, TyperGroup

_PACKAGE: Final = "gpu_management.cli"
COMMANDS: Final = {
    "overview": ("overview", "Show the fleet in one screen."),
    "events": ("overview", "Follow what happens, until Ctrl-C; or list what happened."),
    "workloads": (
        "overview",
        "Show what each kind of work asks for, how long it runs, and the cheapest place for it.",
    ),
    "request": (
        "allocations",
        "Take GPUs: a whole one, several, a share (--milli) or a slice (--mig).",
    ),
    "release": ("allocations", "Give GPUs back; a repeated release answers the same."),
    "allocations": ("allocations", "Take, extend and return GPUs."),
    "devices": ("inventory", "GPUs: list, register, repair, remove."),
    "nodes": ("inventory", "Nodes: capacity, cordon, uncordon."),
    "models": ("inventory", "GPU models: the catalogue."),
    "mig": ("mig", "MIG: profiles, instances, mode, layouts."),
    "rates": ("rates", "The price book."),
    "costs": ("costs", "What was spent, and where GPU time went; metering of files."),
    "budgets": ("budgets", "How much may be spent in a period."),
    "statements": ("statements", "What each team pays for a month; closing months."),
    "keys": ("admin", "API keys: issue, rotate, revoke."),
    "teams": ("admin", "Teams: quotas and namespaces."),
    "audit": ("admin", "Who did what."),
    "settings": ("admin", "What a running server is set to."),
    "whoami": ("admin", "Show who the server takes you for, and what you may do."),
    "serve": ("local", "Start the API, the dashboard and the controller loops."),
    "migrate": ("local", "Bring the database to the newest version."),
    "config": ("local", "Settings of the server on this machine."),
    "simulate": ("local", "Play on a fleet that is not there."),
    "metrics": ("metrics", "What GPUs do, now and over time."),
    "notifications": ("notifications", "Who is told what, and whether it arrived."),
    "resources": ("resources", "CPU and memory: by node, pod, namespace; what is wasted."),
    "suggestions": ("suggestions", "GPU time that could be saved, and what is left alone."),
    "alerts": ("alerts", "What fires, and who looks after it; silences."),
    "optimize": ("optimize", "Find GPU time that nobody uses."),
    "version": ("local", "Show the version of this program."),
}
"""Each command with the module whose `install` makes it, and its sentence."""
FORMER: Final = {"cost": "costs"}
"""Names that are understood and not shown."""


class LazyGroup(TyperGroup):
    """The root: its commands are stand-ins until one of them is called."""

    def __init__(self, **options: Any) -> None:
        """Fill in the stand-ins."""
        super().__init__(**options)
        self.commands = {
            name: TyperCommand(name, help=about) for name, (_module, about) in COMMANDS.items()
        }

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        """Find the command that `args` start with, and load it."""
        if args and args[0] in FORMER:
            args = [FORMER[args[0]], *args[1:]]
        if args and args[0] in COMMANDS:
            self.commands[args[0]] = load(args[0])
        return super().resolve_command(ctx, args)


def load(name: str) -> Any:
    """Return the real command of this name."""
    app = typer.Typer()
    app.callback()(lambda: None)  # makes a group of it, however few commands there are
    import_module(f"{_PACKAGE}.{COMMANDS[name][0]}").install(app)
    return typer.main.get_group(app).commands[name]
