"""HTTP for allocations: /api/v1/gpu/allocations."""

from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import anyio
from fastapi import APIRouter, Depends, Header, Path, Query, Request, Response
from starlette.concurrency import run_in_threadpool

from gpu_management.allocations import bulk, queries, schemas, service
from gpu_management.allocations.errors import (
    AllocationContended,
    AllocationEnded,
    AllocationNotFound,
    GpuNotAvailable,
    IdempotencyKeyReused,
)
from gpu_management.allocations.models import Phase
from gpu_management.allocations.office import Office
from gpu_management.auth.access import Permission
from gpu_management.auth.errors import QuotaExceeded
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
    runtime,
)
from gpu_management.mig.errors import MigNotSupported

router = APIRouter(prefix="/api/v1/gpu/allocations", tags=["allocations"], route_class=WireRoute)

Reader = Annotated[Principal, Depends(requires(Permission.ALLOCATIONS_READ))]
Writer = Annotated[Principal, Depends(requires(Permission.ALLOCATIONS_WRITE))]
AllocationId = Annotated[str, Path(max_length=60, description="The allocation's id.")]


async def office_of(request: Request) -> Office:
    """Return what this process brings to every request."""
    found: Office = request.app.state.office
    return found


OfficeDep = Annotated[Office, Depends(office_of)]


@router.post(
    "",
    response_model=schemas.Allocation,
    operation_id="createAllocation",
    summary="Allocate GPUs",
    responses={
        202: {"model": schemas.Allocation, "description": "Queued: nothing fits now."},
        **problems(
            GpuNotAvailable,
            MigNotSupported,
            IdempotencyKeyReused,
            QuotaExceeded,
            AllocationContended,
        ),
    },
)
def create(
    body: schemas.AllocationCreate,
    principal: Writer,
    session: WriteSession,
    office: OfficeDep,
    now: Now,
    request: Request,
    response: Response,
    idempotency_key: Annotated[str | None, Header(min_length=1, max_length=255)] = None,
) -> Any:
    """Decide, hold and answer with place and price; with `wait`, queue when nothing fits."""
    note_unknown(request, response, body)
    ask = body.to_ask(default_wait_seconds=request.app.state.default_wait_seconds)
    if body.dry_run:
        outcome = service.preview(session, office, ask, principal=principal, now=now)
        if outcome.refused is not None:
            raise service.refusal_problem(outcome.refused, ask)
        return _dry(body, outcome, office, now=now)
    allocation = service.request(
        session, office, ask, principal=principal, now=now, idempotency_key=idempotency_key
    )
    if allocation.phase is Phase.PENDING:
        response.status_code = 202
    response.headers["Location"] = f"{request.url.path}/{allocation.allocation_id}"
    if allocation.allocated_at == now:  # made just now: it has cost nothing yet
        known = allocation.cost_per_hour is not None
        return queries.wire_fields(allocation, total_cost=Decimal(0) if known else None)
    return queries.describe(session, [allocation], office.placer.book, now=now)[0]


def _dry(
    body: schemas.AllocationCreate,
    outcome: service.Outcome,
    office: Office,
    *,
    now: datetime,
) -> dict[str, Any]:
    assert outcome.place is not None  # noqa: S101 - only called for a placement
    plain = body.model_dump(include=set(type(body).model_fields))
    unset = dict.fromkeys(schemas.Allocation.model_fields)
    return {
        **unset,
        **plain,
        "gpu_count": body.count,
        "allocation_id": "dry-run",
        "phase": Phase.PENDING,
        "cluster_name": office.placer.cluster_name,
        "node_name": outcome.place.node_name,
        "resources": outcome.place.names,
        "allocated_resource": ",".join(outcome.place.names),
        "cost_per_hour": outcome.cost_per_hour,
        "requested_at": now,
        "message": f"dry run, nothing is held: {outcome.place.summary}",
        "conditions": [],
        "decision": outcome.place.decision,
        "dry_run": True,
    }


@router.post(
    "/simulate",
    response_model=schemas.Preview,
    operation_id="simulateAllocation",
    summary="Would it fit, where, at what price",
    responses=problems(MigNotSupported, QuotaExceeded),
)
def simulate(
    body: schemas.AllocationCreate,
    principal: Writer,
    session: ReadSession,
    office: OfficeDep,
    now: Now,
    request: Request,
    response: Response,
) -> Any:
    """Decide without holding anything; a refusal is an answer here, not an error."""
    note_unknown(request, response, body)
    ask = body.to_ask(default_wait_seconds=0)
    outcome = service.preview(session, office, ask, principal=principal, now=now)
    place, refused = outcome.place, outcome.refused
    return {
        "fits": place is not None,
        "node_name": place.node_name if place else None,
        "resources": place.names if place else [],
        "cost_per_hour": outcome.cost_per_hour,
        "detail": place.summary if place else refused.detail if refused else "",
        "decision": place.decision if place else dict(refused.facts) if refused else {},
    }


@router.post(
    "/bulk",
    response_model=list[schemas.Allocation],
    operation_id="createAllocations",
    summary="Allocate several, or none",
    responses=problems(GpuNotAvailable, MigNotSupported, QuotaExceeded, AllocationContended),
)
def create_all(
    body: schemas.BulkCreate,
    principal: Writer,
    session: WriteSession,
    office: OfficeDep,
    now: Now,
    request: Request,
    response: Response,
) -> Any:
    """Serve every request of the list in one transaction, or refuse them all."""
    note_unknown(request, response, body)
    asks = [one.to_ask(default_wait_seconds=0) for one in body.requests]
    made = bulk.request_all(session, office, asks, principal=principal, now=now)
    return queries.describe(session, made, office.placer.book, now=now)


@router.get(
    "",
    response_model=list[schemas.Allocation],
    operation_id="listAllocations",
    summary="List allocations",
    responses=problems(),
)
def list_all(
    principal: Reader,
    session: ReadSession,
    office: OfficeDep,
    now: Now,
    page: Paging,
    request: Request,
    response: Response,
    phase: Annotated[
        list[Phase] | None, Query(max_length=4, description="Only these; may be repeated.")
    ] = None,
    namespace: Annotated[str | None, Query(max_length=63)] = None,
    pod_name: Annotated[str | None, Query(alias="podName", max_length=253)] = None,
    team_id: Annotated[str | None, Query(alias="teamId", max_length=120)] = None,
    user_id: Annotated[str | None, Query(alias="userId", max_length=253)] = None,
    node_name: Annotated[str | None, Query(alias="nodeName", max_length=253)] = None,
    device_id: Annotated[str | None, Query(alias="deviceId", max_length=270)] = None,
    search: Annotated[
        str | None,
        Query(
            max_length=100,
            description="Only those whose pod, namespace, team, user, node or id contains this.",
        ),
    ] = None,
) -> Any:
    """List the allocations the caller may see, newest first."""
    asked = queries.Filter(
        tuple(phase or ()),
        namespace,
        pod_name,
        team_id,
        user_id,
        node_name,
        device_id,
        search,
    )
    listing = queries.list_allocations(session, asked, principal=principal, page=page)
    office.placer.refresh_book(session)
    rows = page_of(request, response, listing)
    return queries.describe(session, rows, office.placer.book, now=now)


@router.get(
    "/{allocation_id}",
    response_model=schemas.AllocationDetail,
    operation_id="getAllocation",
    summary="One allocation",
    responses=problems(AllocationNotFound),
)
async def get(
    allocation_id: AllocationId,
    principal: Reader,
    office: OfficeDep,
    request: Request,
    response: Response,
    wait_for: Annotated[
        Literal["Allocated", "Enforced", "Released"] | None,
        Query(alias="waitFor", description="Answer when it is so, or when the time is over."),
    ] = None,
    wait_seconds: Annotated[int, Query(alias="waitSeconds", ge=1, le=60)] = 30,
) -> Any:
    """Return an allocation with its holds; `waitFor` holds the answer back for pipelines."""
    with anyio.move_on_after(wait_seconds if wait_for else None):
        while wait_for:
            shown = await run_in_threadpool(_read, request, office, allocation_id, principal)
            if _is_so(shown, wait_for):
                break
            await anyio.sleep(0.25)
    shown = await run_in_threadpool(_read, request, office, allocation_id, principal)
    response.headers["ETag"] = f'"{shown.pop("edition")}"'
    return shown


def _read(
    request: Request, office: Office, allocation_id: str, principal: Principal
) -> dict[str, Any]:
    serving = runtime(request)
    with serving.database.read() as session:
        found = service.find(session, allocation_id, principal=principal)
        office.placer.refresh_book(session)
        shown = queries.describe_one(session, found, office.placer.book, now=serving.clock())
        return shown | {"edition": found.edition}


def _is_so(shown: dict[str, Any], wanted: str) -> bool:
    over = shown["phase"] in {Phase.RELEASED, Phase.FAILED}
    if wanted == "Released":
        return over
    return over or shown["phase"] is Phase.ALLOCATED


@router.delete(
    "/{allocation_id}",
    response_model=schemas.Allocation,
    operation_id="releaseAllocation",
    summary="Release",
    responses=problems(AllocationNotFound),
)
def release(
    allocation_id: AllocationId,
    principal: Writer,
    session: WriteSession,
    office: OfficeDep,
    now: Now,
    *,
    evict: Annotated[
        bool, Query(description="End the pods that use it too, as disruption budgets allow.")
    ] = False,
) -> Any:
    """End an allocation; a repeated release answers the same.

    While pods of a cluster use it, the phase stays `Allocated` with the condition `Releasing`.
    """
    ended = service.release(
        session,
        allocation_id,
        principal=principal,
        reason="requested",
        now=now,
        ends_pods=evict,
    )
    office.placer.refresh_book(session)
    return queries.describe(session, [ended], office.placer.book, now=now)[0]


@router.post(
    "/{allocation_id}/extend",
    response_model=schemas.Allocation,
    operation_id="extendAllocation",
    summary="Run longer",
    responses=problems(AllocationNotFound, AllocationEnded),
)
def extend(
    allocation_id: AllocationId,
    body: schemas.Extend,
    principal: Writer,
    session: WriteSession,
    office: OfficeDep,
    now: Now,
) -> Any:
    """Move the end of an allocation; a week is the most."""
    longer = service.extend(session, allocation_id, body.hours, principal=principal, now=now)
    office.placer.refresh_book(session)
    return queries.describe(session, [longer], office.placer.book, now=now)[0]
