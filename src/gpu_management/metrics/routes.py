"""HTTP for measurements: /api/v1/gpu/metrics."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response

from gpu_management.auth.access import Permission, visible_team
from gpu_management.auth.principals import Principal
from gpu_management.auth.routes import requires
from gpu_management.core.http import (
    Now,
    Paging,
    ReadSession,
    WireRoute,
    WriteSession,
    note_unknown,
    page_of,
    problems,
)
from gpu_management.core.paging import page_of_rows
from gpu_management.core.problems import FieldError, ValidationFailed
from gpu_management.core.wire import Instant
from gpu_management.devices.health import Verdict
from gpu_management.metrics import answers, health, schemas, service
from gpu_management.metrics.fleet import Only
from gpu_management.metrics.latest import Latest
from gpu_management.metrics.questions import Group, How, Metric, question, whole
from gpu_management.metrics.store import MetricsUnavailable, Store

router = APIRouter(prefix="/api/v1/gpu/metrics", tags=["metrics"], route_class=WireRoute)

Reader = Annotated[Principal, Depends(requires(Permission.GENERAL_READ))]
DeviceReader = Annotated[Principal, Depends(requires(Permission.DEVICES_READ))]
Collector = Annotated[Principal, Depends(requires(Permission.GENERAL_WRITE))]


async def intake_of(request: Request) -> service.Intake:
    """Return how this application takes measurements in."""
    found: service.Intake = request.app.state.intake
    return found


async def readable(
    body: schemas.BatchTold, intake: Annotated[service.Intake, Depends(intake_of)]
) -> schemas.BatchTold:
    """Return a batch that is not too large.

    Raises:
        ValidationFailed: more readings than `metrics.batch-size`.
    """
    if len(body.readings) > intake.most_readings:
        message = f"{len(body.readings)} readings are too many; at most {intake.most_readings}"
        raise ValidationFailed(message, errors=[FieldError("readings", "max", message)])
    return body


@router.post(
    "/ingest",
    response_model=schemas.Ingested,
    operation_id="ingestMetrics",
    summary="Take in what a collector read",
    responses=problems(),
)
def ingest(
    principal: Collector,
    body: Annotated[schemas.BatchTold, Depends(readable)],
    intake: Annotated[service.Intake, Depends(intake_of)],
    session: WriteSession,
    now: Now,
    request: Request,
    response: Response,
) -> Any:
    """Store the readings of one look at a node; the same look twice changes nothing."""
    note_unknown(request, response, body)
    readings = [told.reading() for told in body.readings]
    taken = service.ingest(session, intake, readings, collected_at=body.collected_at, now=now)
    return schemas.ingested(taken)


async def store_of(request: Request) -> Store:
    """Return where this application's measurements are."""
    found: Store = request.app.state.metrics_store
    return found


async def latest_of(request: Request) -> Latest:
    """Return the newest figures this process knows."""
    found: Latest = request.app.state.latest
    return found


async def _only(
    device_id: Annotated[str | None, Query(alias="deviceId", max_length=270)] = None,
    node_name: Annotated[str | None, Query(alias="nodeName", max_length=253)] = None,
    model_id: Annotated[str | None, Query(alias="modelId", max_length=63)] = None,
    namespace: Annotated[str | None, Query(max_length=63)] = None,
    team_id: Annotated[str | None, Query(alias="teamId", max_length=120)] = None,
    allocation_id: Annotated[str | None, Query(alias="allocationId", max_length=40)] = None,
) -> Only:
    return Only(device_id, node_name, model_id, namespace, team_id, allocation_id)


StoreDep = Annotated[Store, Depends(store_of)]
LatestDep = Annotated[Latest, Depends(latest_of)]
OnlyDep = Annotated[Only, Depends(_only)]
MetricParam = Annotated[Metric, Query(description="What to show.")]
HowParam = Annotated[
    How, Query(description="Of a bucket: the mean, the highest, or the lowest mean of a minute.")
]
GroupParam = Annotated[Group, Query(description="By what to tell figures apart.")]


def visible(only: Only, principal: Principal, group: Group) -> Only:
    """Return what of `only` the caller may see: who held a GPU is told to its team and to staff."""
    team = visible_team(principal)
    if team is None or not (group.of_holds or group is Group.DEVICE or only.of_holds):
        return only
    return replace(only, team_id=team)


@router.get(
    "/latest",
    response_model=list[schemas.LatestMetrics],
    operation_id="getLatestMetrics",
    summary="Newest figures of GPUs",
    responses=problems(MetricsUnavailable),
)
def latest(
    principal: Reader,
    session: ReadSession,
    known: LatestDep,
    now: Now,
    only: OnlyDep,
    page: Paging,
    request: Request,
    response: Response,
) -> Any:
    """Return what GPUs and MIG instances do now; figures older than five intervals are left out."""
    rows = answers.newest(session, known, visible(only, principal, Group.DEVICE), now=now)
    return page_of(request, response, page_of_rows(rows, page))


@router.get(
    "/query",
    response_model=list[schemas.MetricRow],
    operation_id="queryMetrics",
    summary="A metric over time",
    responses=problems(MetricsUnavailable),
)
def query(
    principal: Reader,
    session: ReadSession,
    store: StoreDep,
    now: Now,
    only: OnlyDep,
    page: Paging,
    request: Request,
    response: Response,
    start: Annotated[Instant | None, Query(description="One hour ago, if left out.")] = None,
    end: Annotated[Instant | None, Query(description="Now, if left out.")] = None,
    step: Annotated[int, Query(ge=60, le=86_400 * 31, description="Seconds of a bucket.")] = 60,
    metric: MetricParam = Metric.UTILIZATION_PCT,
    how: HowParam = How.AVG,
    group: GroupParam = Group.CLUSTER,
) -> Any:
    """Return figures by group and bucket; where nothing was measured there is no row."""
    since, until = _window(start, end, now, timedelta(hours=1))
    try:
        asked = question(metric, how, since=since, until=until, step=step)
    except ValueError as error:
        raise ValidationFailed(str(error)) from error
    seen = visible(only, principal, group)
    rows = answers.series(session, store, asked, group=group, only=seen)
    return page_of(request, response, page_of_rows(rows, page))


@router.get(
    "/top",
    response_model=list[schemas.MetricRow],
    operation_id="getTopMetrics",
    summary="The busiest, or the idlest",
    responses=problems(MetricsUnavailable),
)
def top(
    principal: Reader,
    session: ReadSession,
    store: StoreDep,
    now: Now,
    only: OnlyDep,
    hours: Annotated[int, Query(ge=1, le=24 * 366, description="How far back.")] = 1,
    most: Annotated[int, Query(ge=1, le=1000, alias="n", description="How many.")] = 10,
    order: Annotated[str, Query(pattern="^(highest|lowest)$")] = "highest",
    metric: MetricParam = Metric.UTILIZATION_PCT,
    how: HowParam = How.AVG,
    group: GroupParam = Group.DEVICE,
) -> Any:
    """Return the groups with the highest or lowest figures of the last hours."""
    since, until = _window(None, None, now, timedelta(hours=hours))
    asked = whole(metric, how, since=since, until=until)
    seen = visible(only, principal, group)
    rows = answers.series(session, store, asked, group=group, only=seen)
    return answers.top(rows, most=most, lowest=order == "lowest")


def _window(
    start: datetime | None, end: datetime | None, now: datetime, usual: timedelta
) -> tuple[int, int]:
    until = min(end or now, now)
    since = start or until - usual
    return int(since.timestamp()), int(until.timestamp())


@router.get(
    "/health",
    response_model=list[schemas.DeviceVerdict],
    operation_id="listDeviceHealth",
    summary="The health of all GPUs",
    responses=problems(),
)
def list_health(
    _principal: DeviceReader,
    session: ReadSession,
    page: Paging,
    request: Request,
    response: Response,
    verdict: Annotated[Verdict | None, Query(description="Only those that are so.")] = None,
) -> Any:
    """Return what sensors and errors say about each GPU, the gravest first."""
    return page_of(request, response, health.list_health(session, verdict, page=page))
