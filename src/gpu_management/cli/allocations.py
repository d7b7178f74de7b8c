"""`gpuctl allocations`, and its short forms `gpuctl request` and `gpuctl release`."""

import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any
from uuid import uuid4

import typer

from gpu_management.cli import columns, text
from gpu_management.cli.errors import CliError, Refused, TimedOut
from gpu_management.cli.options import Limit, Sort
from gpu_management.cli.output import remark
from gpu_management.cli.paths import ALLOCATIONS, given, labels, read_json, under
from gpu_management.cli.shell import Shell, command, group

LONGEST_POLL_SECONDS = 30
_NOT_FOUND = 404

AllocationId = Annotated[str, typer.Argument(metavar="ALLOCATION")]


class Phase(StrEnum):
    """The four phases."""

    PENDING = "Pending"
    ALLOCATED = "Allocated"
    FAILED = "Failed"
    RELEASED = "Released"


class Workload(StrEnum):
    """What the GPUs are for."""

    TRAINING = "Training"
    INFERENCE = "Inference"
    DEVELOPMENT = "Development"


Memory = Annotated[
    int, typer.Option("--memory", "-g", min=1, metavar="GB", help="Per GPU or slice, by label.")
]
Namespace = Annotated[str, typer.Option("--namespace", "-n")]
Pod = Annotated[
    str | None, typer.Option("--pod", "-p", help="It need not exist; a name is made up.")
]
Type = Annotated[Workload, typer.Option("--type", "-t", case_sensitive=False)]
Mig = Annotated[bool, typer.Option("--mig", help="A MIG slice of at least that memory.")]
Count = Annotated[int, typer.Option("--count", "-c", min=1, help="GPUs, on one node.")]
Milli = Annotated[
    int | None, typer.Option("--milli", min=1, max=1000, help="A share of one GPU, thousandths.")
]
User = Annotated[str | None, typer.Option("--user", "-u")]
Team = Annotated[str | None, typer.Option("--team")]
Model = Annotated[list[str], typer.Option("--model", help="Preferred model, best first.")]
OnlyModel = Annotated[
    list[str], typer.Option("--only-model", help="Only this model will do; repeat for more.")
]
Selector = Annotated[
    list[str], typer.Option("--selector", "-l", metavar="NAME=VALUE", help="A node's label.")
]
Priority = Annotated[int, typer.Option("--priority", min=-1000, max=1000)]
Hours = Annotated[int | None, typer.Option("--hours", min=1, help="Ends after that long.")]
CostLimit = Annotated[float | None, typer.Option("--cost-limit", min=0)]
Movable = Annotated[
    bool | None,
    typer.Option("--movable/--not-movable", help="A repacking of slices may move it, or never."),
]
Cores = Annotated[float | None, typer.Option("--cores", min=0, help="CPU cores of the host.")]
HostMemory = Annotated[float | None, typer.Option("--host-memory", min=0, metavar="GIB")]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Decide, but hold nothing.")]
Wait = Annotated[bool, typer.Option("--wait", "-W", help="Queue when nothing fits now.")]
WaitLimit = Annotated[
    int, typer.Option("--timeout", min=1, max=604_800, metavar="SECONDS", help="Longest wait.")
]


def install(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    allocations = group("allocations", "Take, extend and return GPUs.", inside=app)
    command(allocations, "list", watchable=True)(list_allocations)
    command(allocations, "get", watchable=True)(get)
    command(allocations, "request")(request)
    command(allocations, "simulate")(simulate)
    command(allocations, "bulk")(bulk)
    command(allocations, "extend")(extend)
    command(allocations, "release")(release)
    command(app, "request")(request)
    command(app, "release")(release)


def list_allocations(  # noqa: PLR0913 - typer reads the options from the signature
    shell: Shell,
    *,
    phase: Annotated[Phase | None, typer.Option(case_sensitive=False)] = None,
    namespace: Annotated[str | None, typer.Option("--namespace", "-n")] = None,
    pod: Annotated[str | None, typer.Option("--pod", "-p")] = None,
    team: Team = None,
    user: User = None,
    node: Annotated[str | None, typer.Option()] = None,
    device: Annotated[str | None, typer.Option("--device", "-d")] = None,
    limit: Limit = None,
    sort: Sort = None,
) -> None:
    """List allocations, newest first."""
    shell.listing(
        ALLOCATIONS,
        columns.ALLOCATIONS,
        empty="no allocations",
        limit=limit,
        sort=sort,
        phase=phase.value if phase else None,
        namespace=namespace,
        podName=pod,
        teamId=team,
        userId=user,
        nodeName=node,
        deviceId=device,
    )


def get(shell: Shell, allocation: AllocationId) -> None:
    """Show one allocation."""
    found = shell.api.get(under(ALLOCATIONS, allocation)).data
    shell.printer.one(found, columns.ALLOCATION)


def request(  # noqa: PLR0913 - typer reads the options from the signature
    shell: Shell,
    *,
    memory: Memory,
    namespace: Namespace = "default",
    pod: Pod = None,
    workload: Type = Workload.DEVELOPMENT,
    mig: Mig = False,
    count: Count = 1,
    milli: Milli = None,
    user: User = None,
    team: Team = None,
    model: Model = [],  # noqa: B006 - typer copies it
    only_model: OnlyModel = [],  # noqa: B006 - typer copies it
    selector: Selector = [],  # noqa: B006 - typer copies it
    priority: Priority = 0,
    hours: Hours = None,
    cost_limit: CostLimit = None,
    movable: Movable = None,
    cores: Cores = None,
    host_memory: HostMemory = None,
    dry_run: DryRun = False,
    wait: Wait = False,
    timeout: WaitLimit = 600,
) -> None:
    """Take GPUs: a whole one, several, a share (--milli) or a slice (--mig)."""
    asked = dict(locals())
    body = _body(asked) | {"dryRun": dry_run}
    if wait and not dry_run:
        body |= {"wait": True, "waitSeconds": timeout}
    made = _post(shell, body)
    if made["phase"] == Phase.PENDING and wait and not dry_run:
        made = _wait(shell, made, timeout)
    _tell(shell, made)


def simulate(  # noqa: PLR0913 - typer reads the options from the signature
    shell: Shell,
    *,
    memory: Memory,
    namespace: Namespace = "default",
    workload: Type = Workload.DEVELOPMENT,
    mig: Mig = False,
    count: Count = 1,
    milli: Milli = None,
    team: Team = None,
    model: Model = [],  # noqa: B006 - typer copies it
    only_model: OnlyModel = [],  # noqa: B006 - typer copies it
    selector: Selector = [],  # noqa: B006 - typer copies it
    priority: Priority = 0,
    hours: Hours = None,
    cores: Cores = None,
    host_memory: HostMemory = None,
) -> None:
    """Ask whether a request would fit now, where, and at what price."""
    asked = dict.fromkeys(("pod", "user", "cost_limit", "movable")) | dict(locals())
    preview = shell.send("POST", f"{ALLOCATIONS}/simulate", _body(asked))
    if not shell.printer.is_for_people():
        shell.printer.data(preview)
        return
    shell.printer.pairs(
        [
            ("FITS", text.plain(preview["fits"])),
            ("RESOURCES", text.plain(preview["resources"])),
            ("COST/H", text.money(preview["costPerHour"], digits=4)),
            ("WHY", preview["detail"]),
        ]
    )


def bulk(
    shell: Shell,
    file: Annotated[Path, typer.Argument(help="JSON: a list of requests, as the API takes them.")],
) -> None:
    """Take several at once: all of them, or none."""
    requests = read_json(file)
    made = shell.send("POST", f"{ALLOCATIONS}/bulk", {"requests": requests})
    shell.printer.rows(made, columns.ALLOCATIONS, empty="nothing was asked for")


def extend(
    shell: Shell,
    allocation: AllocationId,
    *,
    hours: Annotated[int, typer.Option("--hours", min=1, help="Added to the present end.")],
) -> None:
    """Let an allocation run longer."""
    longer = shell.send("POST", under(ALLOCATIONS, allocation, "extend"), {"hours": hours})
    ends = text.ago(longer["expiresAt"], shell.printer.view.now, wide=True)
    shell.printer.done(f"{allocation} ends {ends}", longer)


def release(
    shell: Shell,
    allocations: Annotated[list[str], typer.Argument(metavar="ALLOCATION…")],
    *,
    wait: Annotated[
        bool, typer.Option("--wait", "-W", help="Until the cluster has let go of it.")
    ] = False,
    timeout: WaitLimit = 600,
) -> None:
    """Give GPUs back; a repeated release answers the same."""
    ended = []
    for allocation in allocations:
        found = shell.send("DELETE", under(ALLOCATIONS, allocation))
        if wait:
            found = _until(shell, allocation, "Released", timeout=timeout)
        ended.append(found)
        cost = f", cost {text.money(found['totalCost'])}" if found["totalCost"] else ""
        now = "" if found["phase"] == Phase.RELEASED else f" asked, phase {found['phase']}"
        shell.printer.done(f"{allocation} release{now or 'd'}{cost}")
    if not shell.printer.is_for_people():
        shell.printer.data(ended if len(ended) > 1 else ended[0])


def _body(asked: dict[str, Any]) -> dict[str, Any]:
    cores, memory_gib = asked["cores"], asked["host_memory"]
    return given(
        namespace=asked["namespace"],
        podName=asked["pod"] or f"gpuctl-{uuid4().hex[:8]}",
        workloadType=asked["workload"].value,
        requiredMemoryGb=asked["memory"],
        useMig=asked["mig"],
        count=asked["count"],
        gpuMilli=asked["milli"],
        userId=asked["user"],
        teamId=asked["team"],
        modelPreference=list(asked["model"]),
        modelIds=list(asked["only_model"]),
        nodeSelector=labels(asked["selector"], "--selector"),
        priority=asked["priority"],
        maxDurationHours=asked["hours"],
        costLimit=asked["cost_limit"],
        movable=asked["movable"],
        cpuMilli=None if cores is None else round(cores * 1000),
        memoryMib=None if memory_gib is None else round(memory_gib * 1024),
    )


def _post(shell: Shell, body: dict[str, Any]) -> dict[str, Any]:
    answer = shell.api.call("POST", ALLOCATIONS, body=body, once=f"gpuctl-{uuid4()}")
    if answer.warning:
        remark(f"warning: {answer.warning}")
    made: dict[str, Any] = answer.data
    return made


def _wait(shell: Shell, made: dict[str, Any], timeout: int) -> dict[str, Any]:
    """Wait for a queued allocation; give the place in the queue back when nobody waits any more."""
    allocation = made["allocationId"]
    remark(f"{allocation} {made.get('message') or 'waits'}")
    try:
        found = _until(shell, allocation, "Allocated", timeout=timeout)
    except (KeyboardInterrupt, CliError):
        _give_up(shell, allocation)
        raise
    if found["phase"] != Phase.ALLOCATED:
        reason = found.get("message") or found.get("releaseReason") or "nothing became free"
        raise TimedOut(f"{allocation} is {found['phase']}: {reason}")
    return found


def _until(shell: Shell, allocation: str, phase: str, *, timeout: float) -> dict[str, Any]:
    ends = time.monotonic() + timeout
    path = under(ALLOCATIONS, allocation)
    while True:
        left = ends - time.monotonic()
        if left <= 0:
            raise TimedOut(f"{allocation} is not {phase} after {timeout:g} s")
        poll = max(1, min(LONGEST_POLL_SECONDS, round(left)))
        query = {"waitFor": phase, "waitSeconds": poll}
        found: dict[str, Any] = shell.api.call("GET", path, query=query, seconds=poll).data
        if found["phase"] in {phase, Phase.RELEASED, Phase.FAILED}:
            return found


def _give_up(shell: Shell, allocation: str) -> None:
    try:
        shell.send("DELETE", under(ALLOCATIONS, allocation))
    except Refused as refusal:
        if refusal.status != _NOT_FOUND:
            raise


def _tell(shell: Shell, made: dict[str, Any]) -> None:
    if not shell.printer.is_for_people():
        shell.printer.data(made)
        return
    if made["dryRun"]:
        shell.printer.done(
            f"{made['message']}, {text.money(made['costPerHour'], digits=4)} an hour"
        )
        return
    shell.printer.pairs(
        [
            ("ALLOCATION", made["allocationId"]),
            ("PHASE", made["phase"]),
            ("RESOURCES", text.plain(made["resources"])),
            ("NODE", text.plain(made["nodeName"])),
            ("COST/H", text.money(made["costPerHour"], digits=4)),
        ]
    )
