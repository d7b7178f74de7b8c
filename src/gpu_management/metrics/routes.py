"""HTTP for measurements: /api/v1/gpu/metrics."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Request, Response

from gpu_management.auth.access import Permission
from gpu_management.auth.principals import Principal
from gpu_management.auth.routes import requires
from gpu_management.core.http import Now, WireRoute, WriteSession, note_unknown, problems
from gpu_management.core.problems import FieldError, ValidationFailed
from gpu_management.metrics import schemas, service

router = APIRouter(prefix="/api/v1/gpu/metrics", tags=["metrics"], route_class=WireRoute)

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
