"""HTTP for the ledger: /api/v1/gpu/ledger."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from gpu_management.allocations import corrections
from gpu_management.allocations.errors import CorrectionInvalid, HoldNotFound, HoldNotOver
from gpu_management.auth.access import Permission
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
from gpu_management.costs import answers, capacity, ledger_schemas, timeline
from gpu_management.costs.asking import groups_of, page_of_rows, window_of
from gpu_management.costs.routes import AskedDep, CostReader, DeskDep, OnlyDep
from gpu_management.devices.errors import DeviceNotFound

router = APIRouter(prefix="/api/v1/gpu/ledger", tags=["ledger"], route_class=WireRoute)


@router.get(
    "/buckets",
    response_model=list[ledger_schemas.BucketRow],
    operation_id="getLedgerBuckets",
    summary="Where the time of GPUs went",
    responses=problems(),
)
def buckets(
    principal: CostReader,
    session: ReadSession,
    desk: DeskDep,
    now: Now,
    asked: AskedDep,
    only: OnlyDep,
    page: Paging,
    request: Request,
    response: Response,
    group: Annotated[
        str,
        Query(
            max_length=200,
            description="Of " + ", ".join(capacity.DIMENSIONS) + ", parted by commas.",
        ),
    ] = "model",
) -> Any:
    """Return used, idle, unattributed, free and unavailable time and its worth by group."""
    window, groups = window_of(desk, asked, now=now), groups_of(group, capacity.DIMENSIONS)
    rows = answers.buckets_rows(session, desk, window, groups=groups, only=only)
    return page_of(request, response, page_of_rows(rows, page))


@router.get(
    "/devices/{device_id}",
    response_model=ledger_schemas.DeviceLedger,
    operation_id="getDeviceLedger",
    summary="Timeline of a GPU, and where its time went",
    responses=problems(DeviceNotFound),
)
def device(
    device_id: Annotated[str, Path(max_length=270, description="In the fleet, or removed.")],
    principal: CostReader,
    session: ReadSession,
    desk: DeskDep,
    now: Now,
    asked: AskedDep,
) -> Any:
    """Return what a GPU did over a window, second by second."""
    window = window_of(desk, asked, now=now)
    return timeline.device_ledger(session, desk, device_id, window=window)


@router.post(
    "/holds/{hold_id}/corrections",
    response_model=ledger_schemas.CorrectedHold,
    status_code=201,
    operation_id="correctHold",
    summary="Correct a hold that is over",
    responses=problems(HoldNotFound, HoldNotOver, CorrectionInvalid),
)
def correct(
    hold_id: Annotated[int, Path(ge=1, le=2**62, description="The hold's number.")],
    body: ledger_schemas.HoldCorrection,
    principal: Annotated[Principal, Depends(requires(Permission.BILLING_WRITE))],
    session: WriteSession,
    now: Now,
    request: Request,
    response: Response,
) -> Any:
    """Write a row that replaces the hold; both stay. Closed months get an adjustment."""
    note_unknown(request, response, body)
    told = corrections.Correction(body.reason, body.started_at, body.ended_at, body.milli)
    made = corrections.correct(session, hold_id, told, principal=principal, now=now)
    return corrections.describe(session, made)
