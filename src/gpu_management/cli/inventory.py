"""`gpuctl devices`, `nodes` and `models`: what the fleet consists of."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from gpu_management.cli import columns
from gpu_management.cli.errors import Misused
from gpu_management.cli.options import Limit, Sort
from gpu_management.cli.paths import DEVICES, MODELS, NODES, STATISTICS, given, labels, under
from gpu_management.cli.shell import Shell, command, group

DeviceId = Annotated[str, typer.Argument(metavar="DEVICE", help="Such as gpu-worker-1-GPU-00.")]
NodeName = Annotated[str, typer.Argument(metavar="NODE")]
Reason = Annotated[str, typer.Option("--reason", "-m", help="Why; kept in the timeline.")]


class State(StrEnum):
    """What a device can be said to be."""

    READY = "READY"
    FAILED = "FAILED"
    OFFLINE = "OFFLINE"
    MAINTENANCE = "MAINTENANCE"


class Status(StrEnum):
    """What lists can be filtered by."""

    AVAILABLE = "AVAILABLE"
    ALLOCATED = "ALLOCATED"
    MIG = "MIG"
    MAINTENANCE = "MAINTENANCE"
    FAILED = "FAILED"
    OFFLINE = "OFFLINE"


IfMatch = Annotated[
    str | None,
    typer.Option(metavar="ETAG", help="Only if it is still the copy that `get` showed."),
]


def install(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    devices = group("devices", "GPUs: list, register, repair, remove.", inside=app)
    command(devices, "list", watchable=True)(list_devices)
    command(devices, "get", watchable=True)(get_device)
    command(devices, "register")(register)
    command(devices, "update")(update)
    command(devices, "delete")(delete)
    command(devices, "history")(history)
    command(devices, "health", watchable=True)(health)
    command(devices, "statistics", watchable=True)(statistics)
    command(devices, "state")(set_state)
    maintenance = group("maintenance", "Take a GPU out of service and back.", inside=devices)
    command(maintenance, "start")(start_maintenance)
    command(maintenance, "end")(end_maintenance)
    nodes = group("nodes", "Nodes: capacity, cordon, uncordon.", inside=app)
    command(nodes, "list", watchable=True)(list_nodes)
    command(nodes, "get", watchable=True)(get_node)
    command(nodes, "update")(update_node)
    command(nodes, "cordon")(cordon)
    command(nodes, "uncordon")(uncordon)
    models = group("models", "GPU models: the catalogue.", inside=app)
    command(models, "list")(list_models)
    command(models, "get")(get_model)
    command(models, "add")(add_model)


def list_devices(
    shell: Shell,
    *,
    node: Annotated[str | None, typer.Option("--node", "-n", help="Only of this node.")] = None,
    status: Annotated[Status | None, typer.Option(help="Only these.")] = None,
    model: Annotated[str | None, typer.Option(help="Only of this model.")] = None,
    limit: Limit = None,
    sort: Sort = None,
) -> None:
    """List the GPUs of the fleet."""
    shell.listing(
        DEVICES,
        columns.DEVICES,
        empty="no devices; `gpuctl devices register` adds one",
        limit=limit,
        sort=sort,
        nodeName=node,
        status=status.value if status else None,
        modelId=model,
    )


def get_device(shell: Shell, device: DeviceId) -> None:
    """Show one GPU: state, holders, layout, price."""
    shell.printer.one(shell.object(under(DEVICES, device)), columns.DEVICE)


def register(  # noqa: PLR0913 - typer reads the options from the signature
    shell: Shell,
    *,
    node: Annotated[str, typer.Option("--node", "-n", help="The node it is in; may be new.")],
    index: Annotated[int, typer.Option("--index", "-i", min=0, help="Its number on the node.")],
    model: Annotated[str | None, typer.Option(help="Model id; see `gpuctl models list`.")] = None,
    model_name: Annotated[str | None, typer.Option(help="Name as the driver tells it.")] = None,
    uuid: Annotated[str | None, typer.Option(help="GPU-… of the driver.")] = None,
    pci_bus_id: Annotated[str | None, typer.Option()] = None,
    serial: Annotated[str | None, typer.Option()] = None,
    memory_mib: Annotated[int | None, typer.Option(min=1, help="As the driver reports it.")] = None,
    driver: Annotated[str | None, typer.Option(help="Driver version.")] = None,
    mig: Annotated[bool, typer.Option("--mig", help="Switch MIG mode on.")] = False,
) -> None:
    """Put a GPU into the fleet; an unknown node is created with it."""
    if model is None and model_name is None:
        raise Misused("say which model it is: --model ID or --model-name NAME")
    body = given(
        nodeName=node,
        deviceIndex=index,
        modelId=model,
        modelName=model_name,
        uuid=uuid,
        pciBusId=pci_bus_id,
        serialNumber=serial,
        memoryTotalMb=memory_mib,
        driverVersion=driver,
        migEnabled=mig,
    )
    made = shell.send("POST", DEVICES, body)
    shell.printer.done(f"{made['deviceId']} registered ({made['modelName']})", made)


def update(  # noqa: PLR0913 - typer reads the options from the signature
    shell: Shell,
    device: DeviceId,
    *,
    uuid: Annotated[str | None, typer.Option()] = None,
    pci_bus_id: Annotated[str | None, typer.Option()] = None,
    serial: Annotated[str | None, typer.Option()] = None,
    memory_mib: Annotated[int | None, typer.Option(min=1)] = None,
    driver: Annotated[str | None, typer.Option(help="Driver version.")] = None,
    vbios: Annotated[str | None, typer.Option()] = None,
    power_limit_w: Annotated[int | None, typer.Option(min=1)] = None,
    if_match: IfMatch = None,
) -> None:
    """Change what is told about a GPU; what is left out stays."""
    body = given(
        uuid=uuid,
        pciBusId=pci_bus_id,
        serialNumber=serial,
        memoryTotalMb=memory_mib,
        driverVersion=driver,
        vbios=vbios,
        powerLimitW=power_limit_w,
    )
    changed = shell.send("PUT", under(DEVICES, device), _some(body), if_match=if_match)
    shell.printer.done(f"{device} updated", changed)


def delete(shell: Shell, device: DeviceId, *, if_match: IfMatch = None) -> None:
    """Take a GPU out of the fleet; its history stays."""
    shell.send("DELETE", under(DEVICES, device), if_match=if_match)
    shell.printer.done(f"{device} removed")


def history(shell: Shell, device: DeviceId, *, limit: Limit = None) -> None:
    """Show when a GPU was available and when not."""
    path = under(DEVICES, device, "history")
    shell.listing(path, columns.STRETCHES, empty="no history", limit=limit)


def health(shell: Shell, device: DeviceId) -> None:
    """Show what is known about a GPU's health, and its latest states."""
    found = shell.api.get(under(DEVICES, device, "health")).data
    if not shell.printer.is_for_people():
        shell.printer.data(found)
        return
    shell.printer.one(found, columns.HEALTH)
    shell.printer.gap()
    shell.printer.rows(found["history"], columns.STRETCHES, empty="no history")


def statistics(shell: Shell) -> None:
    """Show the GPUs in figures."""
    shell.printer.fields(shell.api.get(STATISTICS).data)


def set_state(
    shell: Shell,
    device: DeviceId,
    state: Annotated[State, typer.Argument(case_sensitive=False)],
    *,
    reason: Reason,
) -> None:
    """Report that a GPU failed, went offline or works again."""
    shell.send("POST", under(DEVICES, device, "state"), {"state": state.value, "reason": reason})
    shell.printer.done(f"{device} is {state.value} now")


def start_maintenance(shell: Shell, device: DeviceId, *, reason: Reason = "maintenance") -> None:
    """Place nothing new on a GPU; what holds it goes on."""
    shell.send("POST", under(DEVICES, device, "maintenance"), {"reason": reason})
    shell.printer.done(f"{device} is in maintenance now")


def end_maintenance(shell: Shell, device: DeviceId) -> None:
    """Let a GPU work again."""
    shell.send("DELETE", under(DEVICES, device, "maintenance"))
    shell.printer.done(f"{device} works again")


def list_nodes(shell: Shell, *, limit: Limit = None, sort: Sort = None) -> None:
    """List the nodes with what is free on them."""
    shell.listing(NODES, columns.NODES, empty="no nodes", limit=limit, sort=sort)


def get_node(shell: Shell, node: NodeName) -> None:
    """Show one node and its GPUs."""
    found = shell.object(under(NODES, node))
    shell.printer.one(found, columns.NODE)
    if shell.printer.is_for_people():
        shell.printer.gap()
        shell.printer.rows(found["devices"], columns.DEVICES, empty="no devices")


def update_node(  # noqa: PLR0913 - typer reads the options from the signature
    shell: Shell,
    node: NodeName,
    *,
    ip: Annotated[str | None, typer.Option()] = None,
    zone: Annotated[str | None, typer.Option()] = None,
    cores: Annotated[float | None, typer.Option(min=0, help="CPU cores of the host.")] = None,
    memory_gib: Annotated[float | None, typer.Option(min=0, help="Memory of the host.")] = None,
    driver: Annotated[str | None, typer.Option(help="Driver version.")] = None,
    label: Annotated[list[str], typer.Option(metavar="NAME=VALUE", help="Replaces all.")] = [],  # noqa: B006 - typer copies it
    if_match: IfMatch = None,
) -> None:
    """Change what is told about a node; what is left out stays."""
    body = given(
        ip=ip,
        zone=zone,
        cpuTotalMilli=None if cores is None else round(cores * 1000),
        memoryTotalMib=None if memory_gib is None else round(memory_gib * 1024),
        driverVersion=driver,
        labels=labels(label, "--label") or None,
    )
    shell.send("PUT", under(NODES, node), _some(body), if_match=if_match)
    shell.printer.done(f"{node} updated")


def cordon(shell: Shell, node: NodeName, *, reason: Reason = "maintenance") -> None:
    """Place nothing new on a node; what runs there goes on."""
    shell.send("POST", under(NODES, node, "maintenance"), {"reason": reason})
    shell.printer.done(f"{node} cordoned")


def uncordon(shell: Shell, node: NodeName) -> None:
    """Place on a node again."""
    shell.send("DELETE", under(NODES, node, "maintenance"))
    shell.printer.done(f"{node} uncordoned")


def list_models(shell: Shell, *, limit: Limit = None, sort: Sort = None) -> None:
    """List the GPU models that are known."""
    shell.listing(MODELS, columns.MODELS, empty="no models", limit=limit, sort=sort)


def get_model(
    shell: Shell, model: Annotated[str, typer.Argument(metavar="MODEL", help="Model id.")]
) -> None:
    """Show one GPU model."""
    shell.printer.fields(shell.api.get(under(MODELS, model)).data)


def add_model(
    shell: Shell,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Model id, such as rtx-6000.")],
    *,
    name: Annotated[str, typer.Option(help="Name as the driver tells it.")],
    memory: Annotated[int, typer.Option("--memory", "-g", min=1, metavar="GB", help="By label.")],
    manufacturer: Annotated[str | None, typer.Option()] = None,
    tdp_watts: Annotated[int | None, typer.Option(min=1)] = None,
) -> None:
    """Add a GPU model that the catalogue does not have."""
    body = given(
        modelId=model,
        modelName=name,
        memoryGb=memory,
        manufacturer=manufacturer,
        tdpWatts=tdp_watts,
    )
    made = shell.send("POST", MODELS, body)
    shell.printer.done(f"{model} added ({made['modelName']})", made)


def _some(body: dict[str, Any]) -> dict[str, Any]:
    if not body:
        raise Misused("nothing to change; --help lists what can be told")
    return body
