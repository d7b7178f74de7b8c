"""`gpuctl metrics`: what GPUs do, now and over time."""

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

import typer

from gpu_management.cli.options import Limit
from gpu_management.cli.output import Column, Row, col, num, when
from gpu_management.cli.shell import Shell, command, group

METRICS = "/api/v1/gpu/metrics"


class Metric(StrEnum):
    """What is measured."""

    UTILIZATION_PCT = "utilizationPct"
    MEMORY_USED_MIB = "memoryUsedMib"
    TEMPERATURE_CELSIUS = "temperatureCelsius"
    POWER_W = "powerW"
    SM_CLOCK_MHZ = "smClockMhz"
    TENSOR_ACTIVE_RATIO = "tensorActiveRatio"
    DRAM_ACTIVE_RATIO = "dramActiveRatio"


class How(StrEnum):
    """How samples become one figure."""

    AVG = "avg"
    MAX = "max"
    MIN = "min"


class Group(StrEnum):
    """By what figures are told apart."""

    CLUSTER = "cluster"
    MODEL = "model"
    NODE = "node"
    DEVICE = "device"
    NAMESPACE = "namespace"
    TEAM = "team"
    ALLOCATION = "allocation"


Device = Annotated[str | None, typer.Option("--device", "-d", help="Only this GPU.")]
Node = Annotated[str | None, typer.Option(help="Only GPUs of this node.")]
Model = Annotated[str | None, typer.Option(help="Only GPUs of this model.")]
Team = Annotated[str | None, typer.Option(help="Only while this team held them.")]
What = Annotated[Metric, typer.Option("--metric", "-m", help="What to show.")]
HowTold = Annotated[How, typer.Option(help="Mean, highest, or lowest mean of a minute.")]


def _figure(field: str, unit: str = "", *, digits: int = 0) -> Callable[[Any], str]:
    def cell(row: Any) -> str:
        value = row[field]
        return "-" if value is None else f"{value:,.{digits}f}{unit}"

    return cell


_LATEST = (
    col("GPU", "deviceId"),
    num("MIG", _figure("gpuInstanceId"), rank=2),
    col("MODEL", "modelId", rank=1),
    num("BUSY", _figure("utilizationPct", " %")),
    num("MEMORY", _figure("memoryUsedMib", " MiB")),
    num("TEMP", _figure("temperatureCelsius", " °C")),
    num("POWER", _figure("powerW", " W")),
    num("XID", _figure("lastXid"), rank=1),
    when("SEEN", "at", rank=1),
)
_ROWS = (
    when("FROM", "at"),
    col("GROUP", "group"),
    num("VALUE", _figure("value", digits=2)),
    num("SAMPLES", _figure("samples"), rank=1),
)
_TOP = tuple(column for column in _ROWS if column.title != "FROM")
_IDLE = (
    col("GPU", "deviceId"),
    col("POD", "podName", flexible=True),
    col("TEAM", "teamId", rank=1),
    num("RECENT", _figure("recentMeanPct", " %", digits=1)),
    num("LAST HOUR", _figure("lastHourPct", " %", digits=1), rank=1),
    num("COST/H", _figure("costPerHour", digits=4)),
    when("SINCE", "heldSince", rank=2),
    col("ALLOCATION", "allocationId", rank=3),
)


_HEALTH = (
    col("GPU", "deviceId"),
    col("VERDICT", "verdict"),
    col("STATE", "state"),
    Column("BECAUSE", lambda row, _view: _because(row), flexible=True),
    when("SINCE", "verdictSince"),
    col("NODE", "nodeName", rank=2),
    col("ALLOCATIONS", "allocations", rank=1),
)


class Verdict(StrEnum):
    """How a GPU is."""

    HEALTHY = "healthy"
    SUSPECT = "suspect"
    FAILING = "failing"
    UNKNOWN = "unknown"


def _because(row: Row) -> str:
    return "; ".join(one["message"] for one in row["findings"]) or "-"


def install(app: typer.Typer) -> None:
    """Add the commands to `app`."""
    metrics = group("metrics", "What GPUs do, now and over time.", inside=app)
    command(metrics, "latest", watchable=True)(latest)
    command(metrics, "query")(query)
    command(metrics, "top", watchable=True)(top)
    command(metrics, "idle", watchable=True)(idle)
    command(metrics, "health", watchable=True)(health)


def latest(
    shell: Shell,
    *,
    device: Device = None,
    node: Node = None,
    model: Model = None,
    team: Team = None,
    limit: Limit = None,
) -> None:
    """Show the newest figures; what is not measured reads `-`."""
    shell.listing(
        f"{METRICS}/latest",
        _LATEST,
        empty="nothing was measured lately: does gpu-collector run on the nodes?",
        limit=limit,
        deviceId=device,
        nodeName=node,
        modelId=model,
        teamId=team,
    )


def query(  # noqa: PLR0913 - typer reads the options from the signature
    shell: Shell,
    *,
    metric: What = Metric.UTILIZATION_PCT,
    by: Annotated[Group, typer.Option(help="By what to tell figures apart.")] = Group.CLUSTER,
    how: HowTold = How.AVG,
    start: Annotated[str | None, typer.Option(help="Such as 2026-05-01T00:00:00Z.")] = None,
    end: Annotated[str | None, typer.Option(help="Now, if left out.")] = None,
    step: Annotated[int, typer.Option(min=60, help="Seconds of a bucket.")] = 300,
    device: Device = None,
    node: Node = None,
    model: Model = None,
    team: Team = None,
    limit: Limit = None,
) -> None:
    """Show a metric over time; where nothing was measured there is no row."""
    shell.listing(
        f"{METRICS}/query",
        _ROWS,
        empty="nothing was measured then",
        limit=limit,
        metric=metric.value,
        group=by.value,
        how=how.value,
        start=start,
        end=end,
        step=step,
        deviceId=device,
        nodeName=node,
        modelId=model,
        teamId=team,
    )


def top(  # noqa: PLR0913 - typer reads the options from the signature
    shell: Shell,
    *,
    metric: What = Metric.UTILIZATION_PCT,
    by: Annotated[Group, typer.Option(help="By what to tell figures apart.")] = Group.DEVICE,
    how: HowTold = How.AVG,
    hours: Annotated[int, typer.Option(min=1, help="How far back.")] = 1,
    most: Annotated[int, typer.Option("-n", min=1, max=1000, help="How many.")] = 10,
    lowest: Annotated[bool, typer.Option("--lowest", help="The idlest instead.")] = False,
    team: Team = None,
) -> None:
    """Show the busiest, or the idlest."""
    shell.listing(
        f"{METRICS}/top",
        _TOP,
        empty="nothing was measured lately",
        metric=metric.value,
        group=by.value,
        how=how.value,
        hours=hours,
        n=most,
        order="lowest" if lowest else "highest",
        teamId=team,
    )


def idle(shell: Shell, *, team: Team = None, limit: Limit = None) -> None:
    """Show what is held and expected to stay idle for the coming hour, the dearest first."""
    empty = "no GPU is held and idle, as far as is measured"
    shell.listing(f"{METRICS}/idle", _IDLE, empty=empty, limit=limit, teamId=team)


def health(
    shell: Shell,
    *,
    verdict: Annotated[Verdict | None, typer.Option(help="Only those that are so.")] = None,
    limit: Limit = None,
) -> None:
    """Show what sensors and errors say about each GPU, the gravest first."""
    shell.listing(
        f"{METRICS}/health",
        _HEALTH,
        empty="no GPU is like that",
        limit=limit,
        verdict=None if verdict is None else verdict.value,
    )
