"""`gpuctl mig`: slices, modes and layouts."""

from pathlib import Path
from typing import Annotated, Any

import typer

from gpu_management.cli import columns, mig_local, mig_plans, mig_server, text
from gpu_management.cli.errors import Misused
from gpu_management.cli.inventory import DeviceId
from gpu_management.cli.options import Limit, Sort
from gpu_management.cli.paths import (
    DEVICES,
    MIG_CUTS,
    MIG_INSTANCES,
    MIG_PROFILES,
    given,
    read_json,
    under,
)
from gpu_management.cli.shell import Shell, command, group

Device = Annotated[str | None, typer.Option("--device", "-d", help="Only of this device.")]
MigId = Annotated[str, typer.Argument(metavar="MIG", help="Id, see `gpuctl mig instances`.")]


def install(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    mig = group("mig", "MIG: profiles, instances, mode, layouts.", inside=app)
    command(mig, "profiles", watchable=True)(profiles)
    command(mig, "instances", watchable=True)(instances)
    command(mig, "devices", watchable=True)(devices)
    command(mig, "enable")(enable)
    command(mig, "disable")(disable)
    command(mig, "create")(create)
    command(mig, "destroy")(destroy)
    mig.command("replay")(mig_local.replay)
    mig.command("plan")(mig_local.plan)
    command(mig, "preview")(mig_server.preview)
    command(mig, "fragmentation", watchable=True)(mig_server.fragmentation)
    mig_plans.install(mig)
    layout = group("layout", "How a device is cut: show, apply, history.", inside=mig)
    command(layout, "show", watchable=True)(show_layout)
    command(layout, "apply")(apply_layout)
    command(layout, "history")(history)
    command(layout, "legal")(mig_server.legal)


def profiles(
    shell: Shell,
    *,
    model: Annotated[str | None, typer.Option(help="Only of this model.")] = None,
    device: Device = None,
) -> None:
    """List the profiles: what is idle and what could be carved now."""
    empty = "no MIG profiles"
    shell.listing(MIG_PROFILES, columns.PROFILES, empty=empty, modelId=model, deviceId=device)


def instances(  # noqa: PLR0913 - typer reads the options from the signature
    shell: Shell,
    mig: Annotated[str | None, typer.Argument(metavar="MIG", help="Show only this one.")] = None,
    *,
    device: Device = None,
    profile: Annotated[str | None, typer.Option(help="Only of this profile.")] = None,
    free: Annotated[
        bool | None, typer.Option("--free/--held", help="Only idle ones, or only held ones.")
    ] = None,
    limit: Limit = None,
    sort: Sort = None,
) -> None:
    """List the slices with their place and holder, or show one."""
    if mig is not None:
        shell.printer.one(shell.api.get(under(MIG_INSTANCES, mig)).data, columns.INSTANCES)
        return
    status = None if free is None else "AVAILABLE" if free else "ALLOCATED"
    shell.listing(
        MIG_INSTANCES,
        columns.INSTANCES,
        empty="no MIG instances",
        limit=limit,
        sort=sort,
        deviceId=device,
        profile=profile,
        status=status,
    )


def devices(
    shell: Shell,
    *,
    model: Annotated[str | None, typer.Option(help="Only of this model.")] = None,
    node: Annotated[str | None, typer.Option(help="Only of this node.")] = None,
    state: Annotated[str | None, typer.Option(help="Only in this state, such as READY.")] = None,
    limit: Limit = None,
    sort: Sort = None,
) -> None:
    """List the GPUs in MIG mode: how they are cut, and what is free or stranded."""
    filters = {"modelId": model, "nodeName": node, "state": state}
    empty = "no GPUs in MIG mode"
    shell.listing(MIG_CUTS, columns.CUTS, empty=empty, limit=limit, sort=sort, **filters)


def enable(shell: Shell, device: DeviceId) -> None:
    """Switch MIG mode on; the device must be idle."""
    shell.send("POST", under(DEVICES, device, "mig"))
    shell.printer.done(f"MIG is on for {device}")


def disable(shell: Shell, device: DeviceId) -> None:
    """Switch MIG mode off; idle instances go, held ones refuse it."""
    shell.send("DELETE", under(DEVICES, device, "mig"))
    shell.printer.done(f"MIG is off for {device}")


def create(
    shell: Shell,
    device: DeviceId,
    profile: Annotated[str, typer.Argument(help="Such as 1g.10gb.")],
    *,
    start: Annotated[
        int | None, typer.Option(min=0, help="Placement unit; else the first legal one.")
    ] = None,
) -> None:
    """Carve one instance."""
    body = given(profile=profile, start=start)
    made = shell.send("POST", under(DEVICES, device, "mig", "instances"), body)
    shell.printer.done(f"{made['profile']} created on {device} at {made['start']}", made)


def destroy(shell: Shell, mig: MigId) -> None:
    """Destroy an idle instance."""
    shell.send("DELETE", under(MIG_INSTANCES, mig))
    shell.printer.done(f"{mig} destroyed")


def show_layout(shell: Shell, device: DeviceId) -> None:
    """Show how a device is cut and what still fits."""
    found = shell.api.get(under(DEVICES, device)).data
    mig = found["mig"]
    if mig is None:
        raise Misused(f"{found['modelName']} has no MIG")
    if not shell.printer.is_for_people():
        shell.printer.data(mig)
        return
    on = "on" if mig["migEnabled"] else "off"
    shell.printer.done(f"{device}: MIG {on}, {mig['placementUnits']} placement units\n")
    shell.printer.rows(mig["instances"], columns.INSTANCES, empty="no instances")
    free = {name: starts for name, starts in mig["freePlacements"].items() if starts}
    if mig["migEnabled"] and free:
        shell.printer.gap()
        heads = [("FITS BESIDE", False), ("PLACES", True), ("STARTS", False)]
        shell.printer.grid(heads, [(name, str(len(s)), text.plain(s)) for name, s in free.items()])


def apply_layout(
    shell: Shell,
    device: DeviceId,
    places: Annotated[
        list[str] | None,
        typer.Argument(metavar="PROFILE@START…", help="Such as 3g.40gb@0 3g.40gb@4."),
    ] = None,
    *,
    file: Annotated[
        Path | None, typer.Option("--file", "-f", help='JSON: [{"profile": …, "start": …}, …]')
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would change.")] = False,
) -> None:
    """Give a device this layout; instances in use are never touched. No places: an empty one."""
    wanted = read_json(file) if file else [_place(place) for place in places or ()]
    body = {"placements": wanted, "dryRun": dry_run}
    step = shell.send("PUT", under(DEVICES, device, "mig", "layout"), body)
    if not shell.printer.is_for_people():
        shell.printer.data(step)
        return
    made = [f"{place['profile']}@{place['start']}" for place in step["created"]]
    shell.printer.pairs(
        [
            ("applied", "yes" if step["applied"] else "no, this is a dry run"),
            ("kept", _names(step["kept"])),
            ("destroyed", _names(step["destroyed"])),
            ("created", _names(made)),
            ("fits after", _counts({n: c for n, c in step["fitsAfter"].items() if c})),
        ]
    )


def history(shell: Shell, device: DeviceId, *, limit: Limit = None) -> None:
    """Show the layouts a device has had."""
    path = under(DEVICES, device, "mig", "history")
    shell.listing(path, columns.LAYOUTS, empty="no layouts", limit=limit)


def _names(names: list[str]) -> str:
    return ", ".join(names) or "nothing"


def _counts(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} x {name}" for name, count in counts.items()) or "nothing"


def _place(text: str) -> dict[str, Any]:
    profile, _, start = text.rpartition("@")
    if not profile or not start.isdecimal():
        raise Misused(f"a place is PROFILE@START, such as 1g.10gb@0, not {text!r}")
    return {"profile": profile, "start": int(start)}
