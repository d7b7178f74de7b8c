"""`gpuctl resources`: the cluster's ordinary CPU and memory."""

from enum import StrEnum
from typing import Annotated, Any

import typer

from gpu_management.cli import text
from gpu_management.cli.options import Limit, Sort
from gpu_management.cli.output import Row, col, num
from gpu_management.cli.shell import Shell, command, group

RESOURCES = "/api/v1/resources"

_EMPTY = "nothing is known of a cluster; set cluster.connection"
_BAR = 24
_LITTLE_MIB = 10 * 1024


class Heat(StrEnum):
    """How much of a node is in use."""

    HOT = "HOT"
    WARM = "WARM"
    COLD = "COLD"


class Verdict(StrEnum):
    """How what a pod asks for stands to what it uses."""

    UNKNOWN = "UNKNOWN"
    NO_REQUEST = "NO_REQUEST"
    UNDER_REQUESTED = "UNDER_REQUESTED"
    OVER_REQUESTED = "OVER_REQUESTED"
    FITTING = "FITTING"


def _share(row: Row, field: str) -> str:
    share = row.get(field)
    return text.UNKNOWN if share is None else f"{share:.0f}%"


def _memory(mib: int | None) -> str:
    """Write little memory in MiB: most pods have less than a GiB."""
    return f"{mib} MiB" if mib is not None and mib < _LITTLE_MIB else text.gibibytes(mib)


def _gpus(row: Row) -> str:
    known = row.get("gpuCapacity")
    return f"{row['gpuRequested']}/{text.UNKNOWN if known is None else known}"


_NODES = (
    col("NODE", "nodeName"),
    num("PODS", lambda row: str(row["podCount"]), rank=3),
    num("CPU", lambda row: text.cores(row["cpuAllocatableMilli"]), rank=1),
    num("ASKED", lambda row: _share(row, "cpuRequestedPct")),
    num("USED", lambda row: _share(row, "cpuUsedPct")),
    num("MEMORY", lambda row: text.gibibytes(row["memoryAllocatableMib"]), rank=1),
    num("ASKED", lambda row: _share(row, "memoryRequestedPct")),
    num("USED", lambda row: _share(row, "memoryUsedPct")),
    num("GPUS", _gpus, rank=2),
    col("HEAT", "heat"),
)
_PODS = (
    col("NAMESPACE", "namespace"),
    col("POD", "podName", flexible=True),
    num("CPU ASKED", lambda row: text.cores(row["cpuRequestedMilli"])),
    num("PEAK", lambda row: text.cores(row["cpuPeakMilli"])),
    num("MEMORY ASKED", lambda row: _memory(row["memoryRequestedMib"])),
    num("PEAK", lambda row: _memory(row["memoryPeakMib"])),
    num("GPUS", lambda row: str(row["gpuRequested"]), rank=1),
    col("VERDICT", "verdict"),
    col("NODE", "nodeName", rank=3),
    col("PHASE", "phase", rank=4),
)
_NAMESPACES = (
    col("NAMESPACE", "namespace"),
    num("PODS", lambda row: str(row["podCount"])),
    num("CPU ASKED", lambda row: text.cores(row["cpuRequestedMilli"])),
    num("USED", lambda row: text.cores(row["cpuUsedMilli"])),
    num("MEMORY ASKED", lambda row: _memory(row["memoryRequestedMib"])),
    num("USED", lambda row: _memory(row["memoryUsedMib"])),
    num("GPUS", lambda row: str(row["gpuRequested"]), rank=1),
    num("ASK TOO MUCH", lambda row: str(row["overRequestedPods"]), rank=2),
    num("TOO LITTLE", lambda row: str(row["underRequestedPods"]), rank=2),
)


def install(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    about = "CPU and memory: by node, pod, namespace; what is wasted."
    resources = group("resources", about, inside=app)
    command(resources, "nodes", watchable=True)(nodes)
    command(resources, "pods", watchable=True)(pods)
    command(resources, "namespaces", watchable=True)(namespaces)
    command(resources, "summary", watchable=True)(summary)


def nodes(
    shell: Shell,
    *,
    heat: Annotated[Heat | None, typer.Option(help="Only nodes in use like this.")] = None,
    limit: Limit = None,
    sort: Sort = None,
) -> None:
    """List nodes: what they have, what pods ask for, what is used."""
    told = heat.value if heat else None
    shell.listing(f"{RESOURCES}/nodes", _NODES, empty=_EMPTY, limit=limit, sort=sort, heat=told)


def pods(
    shell: Shell,
    *,
    namespace: Annotated[str | None, typer.Option("--namespace", "-n")] = None,
    node: Annotated[str | None, typer.Option(help="Only of this node.")] = None,
    verdict: Annotated[Verdict | None, typer.Option(help="Only pods that are like this.")] = None,
    limit: Limit = None,
    sort: Sort = None,
) -> None:
    """List pods that wait or run: what they ask for and use."""
    shell.listing(
        f"{RESOURCES}/pods",
        _PODS,
        empty=_EMPTY,
        limit=limit,
        sort=sort,
        namespace=namespace,
        nodeName=node,
        verdict=verdict.value if verdict else None,
    )


def namespaces(shell: Shell, *, limit: Limit = None) -> None:
    """List namespaces: what their pods ask for, use and waste."""
    shell.listing(f"{RESOURCES}/namespaces", _NAMESPACES, empty=_EMPTY, limit=limit)


def summary(shell: Shell) -> None:
    """Show the cluster's CPU and memory in one screen."""
    found = shell.api.get(f"{RESOURCES}/summary").data
    if shell.printer.is_for_people():
        shell.printer.pairs(_lines(found))
    else:
        shell.printer.data(found)


def _lines(found: dict[str, Any]) -> list[tuple[str, str]]:
    totals, told = found["totals"], found["analysis"]
    return [
        ("CLUSTER", f"{found['clusterName']}, {text.count(totals['nodes'], 'node')}"),
        ("PODS", f"{totals['pods']:,}, {totals['pendingPods']:,} without a node"),
        ("CPU", _line(found, "cpu", "Milli", text.cores)),
        ("MEMORY", _line(found, "memory", "Mib", text.gibibytes)),
        ("GPUS", f"{totals['gpuRequested']:,} of {totals['gpuCapacity']:,} asked for"),
        (
            "REQUESTS",
            f"{told['overRequestedPods']:,} too much, {told['underRequestedPods']:,} too little, "
            f"{told['podsWithoutRequests']:,} none",
        ),
        (
            "NODES",
            f"{told['nodesInUse']:,} in use, {told['nodesNeededAtLeast']:,} needed at least, "
            f"{len(told['hotNodes'])} hot, {len(told['coldNodes'])} cold",
        ),
        (
            "STRANDED",
            f"{told['strandedGpus']:,} GPUs, {text.cores(told['strandedCpuMilli'])} CPU, "
            f"{text.gibibytes(told['strandedMemoryMib'])}",
        ),
        ("SEEN", f"{found['collectedAt'] or 'never'}; use {found['measuredAt'] or 'never'}"),
    ]


def _line(found: dict[str, Any], name: str, unit: str, shown: Any) -> str:
    totals = found["totals"]
    asked, room = totals[f"{name}Requested{unit}"], totals[f"{name}Allocatable{unit}"]
    used = shown(totals[f"{name}Used{unit}"])
    drawn = text.bar(asked, room, width=_BAR)
    return f"{drawn} {shown(asked)} of {shown(room)} asked for, {used} used"
