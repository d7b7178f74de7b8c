"""HTTP for repacking: a plan as a preview, how fragmented the fleet is, legal layouts."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.auth.access import Permission
from gpu_management.auth.principals import Principal
from gpu_management.auth.routes import requires
from gpu_management.core.http import (
    ClusterName,
    Now,
    ReadSession,
    WireRoute,
    note_unknown,
    page_of,
    problems,
)
from gpu_management.core.paging import Listing
from gpu_management.core.problems import FieldError
from gpu_management.core.text import did_you_mean
from gpu_management.devices import library
from gpu_management.devices.errors import ModelNotFound
from gpu_management.mig import plan_schemas as schemas
from gpu_management.mig import plan_service as service
from gpu_management.mig import plan_view as view
from gpu_management.mig.cluster_layout import compute_slices
from gpu_management.mig.errors import MigLayoutIllegal, MigNotSupported
from gpu_management.mig.geometry import load_geometries
from gpu_management.mig.layout import Variants, legal_layouts
from gpu_management.mig.models import MigInstance
from gpu_management.mig.planner import plan as search

router = APIRouter(prefix="/api/v1/gpu", tags=["mig"], route_class=WireRoute)

Reader = Annotated[Principal, Depends(requires(Permission.MIG_READ))]
Writer = Annotated[Principal, Depends(requires(Permission.MIG_WRITE))]


async def _claims_of(request: Request) -> service.ClaimsOf:
    found: service.ClaimsOf = request.app.state.slice_claims
    return found


async def _past_use(request: Request) -> service.PastUse:
    found: service.PastUse = request.app.state.slice_history
    return found


ClaimsOf = Annotated[service.ClaimsOf, Depends(_claims_of)]
PastUse = Annotated[service.PastUse, Depends(_past_use)]


@router.post(
    "/mig/plan",
    response_model=schemas.Plan,
    operation_id="planMigRepacking",
    summary="Plan a repacking",
    responses=problems(MigLayoutIllegal),
)
def plan(
    body: schemas.PlanAsk,
    _principal: Writer,
    session: ReadSession,
    cluster: ClusterName,
    claims_of: ClaimsOf,
    past_use: PastUse,
    now: Now,
    request: Request,
    response: Response,
) -> Any:
    """Say who would move, in which order, so that the demand fits. Nothing is changed."""
    note_unknown(request, response, body)
    check_demand(body.demand or {})
    claims, rules = claims_of(session, cluster), body.rules()
    situation = service.situation_of(session, cluster, claims, rules=rules, demand=body.demand)
    situation = service.with_past_use(situation, past_demand(session, cluster, body, past_use, now))
    found = search(situation, limit_s=body.time_limit_seconds, cost_limit=body.cost_limit)
    holders = view.holders_by_slice(claims, slice_ids(session))
    return view.shown(found, holders, rules, curve=body.with_curve, now=now)


@router.get(
    "/mig/fragmentation",
    response_model=schemas.Fragmentation,
    operation_id="getMigFragmentation",
    summary="How much the layout wastes",
    responses=problems(),
)
def fragmentation(
    _principal: Reader, session: ReadSession, cluster: ClusterName, claims_of: ClaimsOf
) -> Any:
    """Compare what fits now with what would fit after a perfect repack.

    Profiles count by the slices of them that waiting requests ask for; without any, all alike.
    """
    claims = claims_of(session, cluster)
    rules = service.Rules()
    found = service.situation_of(session, cluster, claims, rules=rules, demand=None)
    return view.fragmentation(found)


@router.get(
    "/models/{model_id}/mig/layouts",
    response_model=list[schemas.ModelLayout],
    operation_id="listMigLayouts",
    summary="Legal layouts of a model",
    responses=problems(ModelNotFound, MigNotSupported),
)
def layouts(
    model_id: Annotated[str, Path(max_length=63)],
    _principal: Reader,
    session: ReadSession,
    request: Request,
    response: Response,
    variants: Annotated[
        Variants, Query(description="`base`, with double-memory profiles, or all.")
    ] = Variants.BASE,
) -> Any:
    """List the layouts to which nothing can be added."""
    model = library.find_model(session, model_id)
    if model.mig_geometry is None:
        raise MigNotSupported(f"{model.model_name} has no MIG")
    found = legal_layouts(load_geometries()[model.mig_geometry], variants=variants)
    return page_of(request, response, Listing(view.layouts_of(found), len(found), None))


def past_demand(
    session: Session, cluster: str, body: schemas.PlanAsk, past_use: service.PastUse, now: Now
) -> Mapping[str, int]:
    """Return what was in use before and is not now, where a plan is to make room for that."""
    if body.demand is not None or body.history_days is None:
        return {}
    return past_use(session, cluster, now - timedelta(days=body.history_days))


def check_demand(demand: dict[str, int]) -> None:
    """Refuse profiles that no model has.

    Raises:
        MigLayoutIllegal: one of them is unknown.
    """
    known = sorted({p.name for g in load_geometries().values() for p in g.profiles})
    for name in demand:
        if not compute_slices(name):
            message = f"'{name}' is no MIG profile of any model{did_you_mean(name, known)}"
            raise MigLayoutIllegal(
                message, errors=[FieldError(f"demand.{name}", "known", message, name)]
            )


def slice_ids(session: Session) -> dict[int, str]:
    """Return the public ids of the slices that exist, by key."""
    live = select(MigInstance.id, MigInstance.mig_id).where(MigInstance.destroyed_at.is_(None))
    return {row.id: row.mig_id for row in session.execute(live)}
