"""`gpuctl overview` and `gpuctl events`: the fleet at a glance, and as it changes."""

from typing import Annotated, Any

import typer

from gpu_management.cli import columns, text
from gpu_management.cli.errors import Unreachable
from gpu_management.cli.options import Limit
from gpu_management.cli.output import Printer, remark
from gpu_management.cli.paths import EVENTS, OVERVIEW, WORKLOADS
from gpu_management.cli.shell import Shell, command

_BAR = 24
_RECONNECTS = 5


def install(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    command(app, "overview", watchable=True)(overview)
    command(app, "events")(events)
    command(app, "workloads")(workloads)


def overview(shell: Shell) -> None:
    """Show the fleet in one screen."""
    found = shell.api.get(OVERVIEW, nodes=False if shell.printer.is_for_people() else None).data
    if not shell.printer.is_for_people():
        shell.printer.data(found)
        return
    shell.printer.pairs(_headline(found))
    shell.printer.gap()
    _models(shell.printer, found["byModel"])


def _headline(found: dict[str, Any]) -> list[tuple[str, str]]:
    held, total = found["heldMilli"], found["totalMilli"]
    currency = found["currency"]
    lost = [
        f"{found[field]} {name}"
        for name, field in (
            ("failed", "failedDevices"),
            ("in maintenance", "maintenanceDevices"),
            ("offline", "offlineDevices"),
        )
        if found[field]
    ]
    return [
        ("CLUSTER", f"{found['clusterName']}, {text.count(found['totalNodes'], 'node')}"),
        (
            "GPUS",
            f"{found['totalDevices']:,}: {found['availableDevices']:,} available, "
            f"{found['allocatedDevices']:,} allocated, {found['migDevices']:,} with MIG",
        ),
        ("OUT", ", ".join(lost) or "none"),
        (
            "HELD",
            f"{text.bar(held, total, width=_BAR)} {text.percent(held, total)} "
            f"({text.gpus(held)} of {text.gpus(total)} GPUs)",
        ),
        (
            "MIG",
            f"{text.count(found['totalMigInstances'], 'instance')} on "
            f"{text.count(found['migDevices'], 'GPU')}, {found['availableMigInstances']:,} idle",
        ),
        (
            "MEMORY",
            f"{text.gigabytes(round(found['allocatedMemoryGb']))} of "
            f"{text.gigabytes(found['totalMemoryGb'])} held",
        ),
        (
            "ALLOCATIONS",
            f"{found['activeAllocations']:,} active, {found['pendingAllocations']:,} waiting",
        ),
        (
            "COST",
            f"{text.money(found['hourlyCost'])} {currency} an hour, today "
            f"{text.money(found['dailyCost'])}, this month {text.money(found['monthlyCost'])}",
        ),
    ]


def _models(printer: Printer, rows: list[dict[str, Any]]) -> None:
    heads = [("MODEL", False), ("GPUS", True), ("FREE", True), ("HELD", True), ("", False)]
    cells = []
    for row in rows:
        whole = row["total"] * 1000
        drawn = text.bar(row["heldMilli"], whole, width=_BAR)
        share = text.percent(row["heldMilli"], whole)
        cells.append((row["modelId"], f"{row['total']:,}", f"{row['available']:,}", share, drawn))
    printer.grid(heads, cells)


def workloads(
    shell: Shell,
    *,
    days: Annotated[int, typer.Option(min=1, max=365, help="Days up to now.")] = 90,
) -> None:
    """Show what each kind of work asks for, how long it runs, and the cheapest place for it."""
    shell.listing(WORKLOADS, columns.WORKLOADS, empty="no kinds of work", days=days)


def events(
    shell: Shell,
    *,
    types: Annotated[
        str | None, typer.Option("--types", "-t", help="Such as allocation.created,device.*")
    ] = None,
    past: Annotated[bool, typer.Option("--past", help="List what was, do not follow.")] = False,
    limit: Limit = None,
) -> None:
    """Follow what happens, until Ctrl-C; or list what happened."""
    if past:
        path = f"{EVENTS}/history"
        shell.listing(path, columns.EVENTS, empty="no events", limit=limit or 50, types=types)
        return
    try:
        _follow(shell, types, limit)
    except KeyboardInterrupt:  # the usual way to stop listening
        remark("")


def _follow(shell: Shell, types: str | None, limit: int | None) -> None:
    """Print events as they come; after a break go on behind the last one."""
    seen, last, failures = 0, None, 0
    while failures < _RECONNECTS:
        try:
            with shell.api.events(EVENTS, last_event_id=last, types=types) as stream:
                for event in stream:
                    if not event.data:
                        continue
                    last, failures, seen = event.id or last, 0, seen + 1
                    _print_event(shell.printer, event.json())
                    if limit is not None and seen >= limit:
                        return
            failures += 1
        except Unreachable:
            failures += 1
            if last is None or failures >= _RECONNECTS:
                raise


def _print_event(printer: Printer, event: dict[str, Any]) -> None:
    if not printer.is_for_people():
        printer.line(event)
        return
    told = text.plain({n: v for n, v in event["details"].items() if not isinstance(v, dict | list)})
    printer.done(f"{event['createdAt']}  {event['type']:<24} {event['subjectId']}  {told}")
