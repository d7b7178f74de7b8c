"""HTTP for the price book: /api/v1/gpu/rates."""

from dataclasses import dataclass
from decimal import Decimal
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response

from gpu_management.auth.access import Permission
from gpu_management.auth.principals import Principal
from gpu_management.auth.routes import requires
from gpu_management.core.http import (
    WARNING_HEADER,
    ClusterName,
    Now,
    Paging,
    ReadSession,
    WireRoute,
    WriteSession,
    note_unknown,
    page_of,
    problems,
)
from gpu_management.core.paging import Listing
from gpu_management.core.text import one_line
from gpu_management.core.wire import Instant
from gpu_management.devices.errors import ModelNotFound
from gpu_management.rates import queries, schemas, service
from gpu_management.rates.errors import (
    RateChanged,
    RateExists,
    RateInForce,
    RateInvalid,
    RateNotFound,
)
from gpu_management.rates.models import ANYWHERE, WHOLE_CARD, RateKind
from gpu_management.rates.pricing import MICROS, owned_rate

router = APIRouter(prefix="/api/v1/gpu/rates", tags=["cost"], route_class=WireRoute)

Reader = Annotated[Principal, Depends(requires(Permission.COST_READ))]
Writer = Annotated[Principal, Depends(requires(Permission.RATES_WRITE))]
RateId = Annotated[int, Path(ge=1, le=2**62)]
ModelId = Annotated[str, Query(alias="modelId", max_length=63)]
ClusterQuery = Annotated[str | None, Query(alias="clusterName", max_length=63)]
PoolQuery = Annotated[str | None, Query(alias="nodePool", max_length=120)]
ProfileQuery = Annotated[str | None, Query(alias="profileName", max_length=24)]


@dataclass(frozen=True, slots=True)
class Desk:
    """What the book is read with: the keeper, the currency, the highest price to be set."""

    keeper: service.BookKeeper
    currency: str
    max_rate_per_hour: int


async def _desk(request: Request) -> Desk:
    state = request.app.state
    return Desk(state.desk.keeper, state.currency, state.max_rate_per_hour)


DeskDep = Annotated[Desk, Depends(_desk)]


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
    desk: DeskDep,
    page: Paging,
    now: Now,
    request: Request,
    response: Response,
    model_id: Annotated[str | None, Query(alias="modelId", max_length=63)] = None,
    profile_name: ProfileQuery = None,
    kind: Annotated[RateKind | None, Query()] = None,
    cluster_name: ClusterQuery = None,
    node_pool: PoolQuery = None,
    at: Annotated[
        Instant | None, Query(description="Only the rates that are in force at this moment.")
    ] = None,
) -> Any:
    """List prices with the stretch in which each holds; past ones and planned ones too.

    `clusterName=*` and `nodePool=*` ask for those that hold everywhere.
    """
    asked = queries.RateFilter(model_id, profile_name, kind, cluster_name, node_pool, at)
    listing = queries.list_rates(session, asked, now=now, page=page)
    rows = [row | {"currency": desk.currency} for row in listing.rows]
    return page_of(request, response, Listing(rows, listing.total, listing.next_cursor))


@router.post(
    "",
    status_code=201,
    response_model=schemas.Rate,
    operation_id="setRate",
    summary="Set a price",
    responses=problems(ModelNotFound, RateExists, RateChanged, RateInvalid),
)
def create(
    body: schemas.RateCreate,
    principal: Writer,
    session: WriteSession,
    desk: DeskDep,
    now: Now,
    request: Request,
    response: Response,
) -> Any:
    """Set what a model, one of its MIG profiles or its shares cost from a moment on.

    The price can be limited to a cluster, a node pool, or both. A place that nobody knows yet is
    accepted, with a warning in `X-GPU-Warning`.
    """
    note_unknown(request, response, body)
    price = body.price(desk.max_rate_per_hour)
    rate = service.set_rate(session, price, principal=principal, now=now)
    _warn(response, queries.doubts(session, price.subject))
    return queries.find_shown(session, rate.id, now=now) | {"currency": desk.currency}


def _warn(response: Response, doubts: list[str]) -> None:
    told = [*filter(None, [response.headers.get(WARNING_HEADER)]), *doubts]
    if told:
        text = one_line("; ".join(told))
        response.headers[WARNING_HEADER] = text.encode("ascii", "replace").decode()[:1000]


@router.delete(
    "/{rate_id}",
    status_code=204,
    operation_id="withdrawRate",
    summary="Withdraw a planned price",
    responses=problems(RateNotFound, RateInForce),
)
def withdraw(rate_id: RateId, principal: Writer, session: WriteSession, now: Now) -> None:
    """Take back a price whose moment has not come; one that has begun stays."""
    service.withdraw(session, rate_id, principal=principal, now=now)


@router.get(
    "/unpriced",
    response_model=list[schemas.Unpriced],
    operation_id="listUnpriced",
    summary="What has no price",
    responses=problems(),
)
def list_unpriced(_principal: Reader, session: ReadSession, desk: DeskDep, now: Now) -> Any:
    """List the GPUs and MIG slices of the fleet that have no price now; empty is good."""
    return queries.unpriced(session, desk.keeper.book(session), now=now)


@router.get(
    "/quote",
    response_model=schemas.Quote,
    operation_id="quoteRate",
    summary="What something costs",
    responses=problems(ModelNotFound, RateInvalid),
)
def quote(
    _principal: Reader,
    session: ReadSession,
    desk: DeskDep,
    cluster: ClusterName,
    now: Now,
    model_id: ModelId,
    profile_name: ProfileQuery = None,
    milli: Annotated[
        int, Query(ge=1, le=1000, description="Share of the card, in thousandths.")
    ] = 1000,
    cluster_name: ClusterQuery = None,
    node_pool: PoolQuery = None,
    at: Annotated[Instant | None, Query(description="Moment; without it, now.")] = None,
) -> Any:
    """Say what a card, a share or a MIG slice costs an hour somewhere, and by which rate."""
    subject = service.Subject(
        model_id, profile_name or WHOLE_CARD, cluster_name or cluster, node_pool or ANYWHERE
    )
    asked = queries.Question(subject, milli, at or now)
    found = queries.quote(session, desk.keeper.book(session), asked, now=now)
    if found["rate"] is not None:
        found["rate"]["currency"] = desk.currency
    return found | {"currency": desk.currency}


@router.post(
    "/calculate",
    response_model=schemas.OwnedPrice,
    operation_id="calculateRate",
    summary="What an owned GPU must earn",
    responses=problems(),
)
def calculate(
    body: schemas.OwnedCost, _principal: Reader, desk: DeskDep, request: Request, response: Response
) -> Any:
    """Work out a price from what a GPU of your own costs; nothing is set.

    capex x (1 - residual) / (life x 8760 h x availability) + power x load x PUE x price per kWh
    + capex x opex share / 8760 h.
    """
    note_unknown(request, response, body)
    rate = owned_rate(body.gpu())
    energy, upkeep = round(rate.energy_micros), round(rate.upkeep_micros)
    parts = {"capital": rate.rate_micros - energy - upkeep, "energy": energy, "upkeep": upkeep}
    return {
        "cost_per_hour": Decimal(rate.rate_micros) / MICROS,
        "currency": desk.currency,
        "parts": {name: Decimal(micros) / MICROS for name, micros in parts.items()},
    }
