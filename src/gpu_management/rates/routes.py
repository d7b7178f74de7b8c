"""HTTP for the price book: /api/v1/gpu/cost/rates."""

from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request, Response
from sqlalchemy import select

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
from gpu_management.core.paging import Listing, list_rows
from gpu_management.devices.errors import ModelNotFound
from gpu_management.rates import schemas, service
from gpu_management.rates.errors import RateExists, RateInvalid
from gpu_management.rates.models import WHOLE_CARD, Rate

router = APIRouter(prefix="/api/v1/gpu/cost/rates", tags=["cost"], route_class=WireRoute)

Reader = Annotated[Principal, Depends(requires(Permission.COST_READ))]
Writer = Annotated[Principal, Depends(requires(Permission.RATES_WRITE))]


@router.get(
    "",
    response_model=list[schemas.Rate],
    operation_id="listRates",
    summary="The price book",
    responses=problems(),
)
def list_all(
    _principal: Reader,
    session: ReadSession,
    page: Paging,
    request: Request,
    response: Response,
    model_id: Annotated[str | None, Query(alias="modelId", max_length=63)] = None,
) -> Any:
    """List every price that was ever set, with the moment from which it holds."""
    query = select(Rate) if model_id is None else select(Rate).where(Rate.model_id == model_id)
    sorts = {"modelId": Rate.model_id, "effectiveFrom": Rate.effective_from}
    listing = list_rows(session, query, sorts=sorts, key=Rate.id, page=page)
    rows = [_shown(row[0], request) for row in listing.rows]
    return page_of(request, response, Listing(rows, listing.total, listing.next_cursor))


@router.post(
    "",
    status_code=201,
    response_model=schemas.Rate,
    operation_id="setRate",
    summary="Set a price",
    responses=problems(ModelNotFound, RateExists, RateInvalid),
)
def create(
    body: schemas.RateCreate,
    principal: Writer,
    session: WriteSession,
    now: Now,
    request: Request,
    response: Response,
) -> Any:
    """Set what a model or one of its MIG profiles costs from a moment on."""
    note_unknown(request, response, body)
    price = service.Price(
        body.model_id,
        body.cost_per_hour,
        profile_name=body.profile_name,
        effective_from=body.effective_from,
        note=body.note,
    )
    rate = service.set_rate(session, price, principal=principal, now=now)
    return _shown(rate, request)


def _shown(rate: Rate, request: Request) -> dict[str, Any]:
    fields = {name: getattr(rate, name) for name in schemas.Rate.model_fields if name != "currency"}
    if fields["profile_name"] == WHOLE_CARD:
        fields["profile_name"] = None
    return fields | {"currency": request.app.state.currency}
