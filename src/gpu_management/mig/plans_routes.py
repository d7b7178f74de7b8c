"""HTTP for plans that are carried out: /api/v1/gpu/mig/plans."""

from dataclasses import replace
from typing import Annotated, Any, Final

from fastapi import APIRouter, Depends, Path, Query, Request, Response
from sqlalchemy.orm import Session

from gpu_management.auth import service as auth
from gpu_management.auth.access import Permission
from gpu_management.auth.principals import Principal
from gpu_management.auth.routes import requires
from gpu_management.core.http import (
    ClusterName,
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
from gpu_management.core.paging import Listing
from gpu_management.mig import plan_service as service
from gpu_management.mig import plan_store as store
from gpu_management.mig import plan_view as view
from gpu_management.mig import plans_schemas as schemas
from gpu_management.mig.errors import (
    MigLayoutIllegal,
    MigPlanNotExecutable,
    MigPlanNotFound,
    MigPlanStale,
    MigPlanState,
)
from gpu_management.mig.execution import Method, PlanState
from gpu_management.mig.plan_models import MigPlan
from gpu_management.mig.plan_routes import (
    ClaimsOf,
    Reader,
    check_demand,
    past_demand,
    slice_ids,
)
from gpu_management.mig.planner import plan as search

router = APIRouter(prefix="/api/v1/gpu/mig/plans", tags=["mig"], route_class=WireRoute)

_MOST_LEFT_ALONE: Final = 64
"""Devices in use that a plan is made without, before it is given up."""

Writer = Annotated[Principal, Depends(requires(Permission.MIG_WRITE))]
PlanId = Annotated[str, Path(max_length=40)]


async def _method_of(request: Request) -> Method:
    found: Method = request.app.state.mig_method
    return found


Usual = Annotated[Method, Depends(_method_of)]


@router.post(
    "",
    status_code=201,
    response_model=schemas.PlanRunDetail,
    operation_id="createMigPlan",
    summary="Plan a repacking and keep the plan",
    responses=problems(MigLayoutIllegal, MigPlanNotExecutable),
)
def create(
    body: schemas.PlanCreate,
    principal: Writer,
    cluster: ClusterName,
    claims_of: ClaimsOf,
    now: Now,
    usual: Usual,
    request: Request,
    response: Response,
) -> Any:
    """Plan as the preview does and keep the plan as a draft, with the layout it was made for."""
    note_unknown(request, response, body)
    check_demand(body.demand or {})
    method = _method(body.method, usual, by_collectors=request.app.state.mig_by_collectors)
    draft = _draft(request, body, cluster, claims_of, method=method, now=now)
    with runtime(request).database.write() as session:  # only now: a search takes seconds
        claims = claims_of(session, cluster)
        plan = store.keep(session, cluster, draft, claims, by=principal.name, now=now)
        _note(session, principal, "mig.plan.create", plan, now=now)
        made = _detail(plan)
    response.headers["Location"] = f"{router.prefix}/{made['plan_id']}"
    return made


def _method(asked: Method | None, usual: Method, *, by_collectors: bool) -> Method:
    """Return who cuts the GPUs: without a cluster nobody has to, with one somebody must."""
    if asked is None:
        return usual
    if asked is Method.COLLECTOR:
        if not by_collectors:
            raise MigPlanNotExecutable(
                "collectors may not cut GPUs here: cluster.mig-by-collectors is off"
            )
        return asked
    if (asked is Method.LEDGER) is not (usual is Method.LEDGER):
        raise MigPlanNotExecutable(
            "no cluster is attached, so only the method ledger works"
            if usual is Method.LEDGER
            else "a cluster is attached, so the method ledger would change nothing there"
        )
    return asked


def _draft(
    request: Request,
    body: schemas.PlanCreate,
    cluster: str,
    claims_of: service.ClaimsOf,
    *,
    method: Method,
    now: Now,
) -> store.Draft:
    """Search until the plan can be carried out: devices that cannot be cut are left alone."""
    rules, left_alone = body.rules(), frozenset[str]()
    with runtime(request).database.read() as session:
        claims = claims_of(session, cluster)
        holders = view.holders_by_slice(claims, slice_ids(session))
        past = past_demand(session, cluster, body, request.app.state.slice_history, now)
        while True:
            kept = replace(rules, kept_devices=rules.kept_devices | left_alone)
            situation = service.situation_of(
                session, cluster, claims, rules=kept, demand=body.demand
            )
            situation = service.with_past_use(situation, past)
            limit_s = body.time_limit_seconds
            found = search(situation, limit_s=limit_s, cost_limit=body.cost_limit)
            shown = view.shown(found, holders, rules, curve=False, now=now)
            draft = store.Draft(found, shown, method, left_alone, body.limits())
            device_id = store.hindrance(session, draft, claims)
            if device_id is None or len(left_alone) >= _MOST_LEFT_ALONE:
                return draft
            left_alone |= {device_id}


@router.get(
    "",
    response_model=list[schemas.PlanRun],
    operation_id="listMigPlans",
    summary="Plans that are kept",
    responses=problems(),
)
def list_plans(
    _principal: Reader,
    session: ReadSession,
    cluster: ClusterName,
    page: Paging,
    request: Request,
    response: Response,
    state: Annotated[PlanState | None, Query(description="Only in this state.")] = None,
) -> Any:
    """List plans, the newest first."""
    found = store.list_plans(session, cluster, state=state, page=page)
    rows = [_row(plan) for plan in found.rows]
    return page_of(request, response, Listing(rows, found.total, found.next_cursor))


@router.get(
    "/{plan_id}",
    response_model=schemas.PlanRunDetail,
    operation_id="getMigPlan",
    summary="One plan",
    responses=problems(MigPlanNotFound),
)
def read(plan_id: PlanId, _principal: Reader, session: ReadSession) -> Any:
    """Say what a plan does, and where it has come to."""
    return _detail(store.find(session, plan_id))


@router.post(
    "/{plan_id}/approve",
    response_model=schemas.PlanRun,
    operation_id="approveMigPlan",
    summary="Let a plan be carried out",
    responses=problems(MigPlanNotFound, MigPlanState, MigPlanStale),
)
def approve(
    plan_id: PlanId, principal: Writer, session: WriteSession, claims_of: ClaimsOf, now: Now
) -> Any:
    """Approve a draft; refused where the devices are not as they were when it was made."""
    plan = store.approve(session, plan_id, claims_of, by=principal.name, now=now)
    return _note(session, principal, "mig.plan.approve", plan, now=now)


@router.post(
    "/{plan_id}/pause",
    response_model=schemas.PlanRun,
    operation_id="pauseMigPlan",
    summary="Pause a plan",
    responses=problems(MigPlanNotFound, MigPlanState),
)
def pause(plan_id: PlanId, principal: Writer, session: WriteSession, now: Now) -> Any:
    """Begin nothing more; the devices stay held back."""
    plan = store.pause(session, plan_id, now=now)
    return _note(session, principal, "mig.plan.pause", plan, now=now)


@router.post(
    "/{plan_id}/resume",
    response_model=schemas.PlanRun,
    operation_id="resumeMigPlan",
    summary="Go on with a paused plan",
    responses=problems(MigPlanNotFound, MigPlanState),
)
def resume(plan_id: PlanId, principal: Writer, session: WriteSession, now: Now) -> Any:
    """Go on in the direction it had."""
    plan = store.resume(session, plan_id, now=now)
    return _note(session, principal, "mig.plan.resume", plan, now=now)


@router.post(
    "/{plan_id}/cancel",
    response_model=schemas.PlanRun,
    operation_id="cancelMigPlan",
    summary="Take a plan back",
    responses=problems(MigPlanNotFound, MigPlanState),
)
def cancel(plan_id: PlanId, principal: Writer, session: WriteSession, now: Now) -> Any:
    """Give a plan up; one that has begun is taken back to the recorded layout."""
    plan = store.cancel(session, plan_id, by=principal.name, now=now)
    return _note(session, principal, "mig.plan.cancel", plan, now=now)


def _note(
    session: Session, principal: Principal, action: str, plan: MigPlan, *, now: Now
) -> dict[str, Any]:
    auth.record(
        session,
        principal,
        action=action,
        target_kind="mig-plan",
        target_id=plan.plan_id,
        after={"state": plan.state.value, "nodes": store.nodes_of(plan)},
        now=now,
    )
    return _row(plan)


def _row(plan: MigPlan) -> dict[str, Any]:
    names = schemas.PlanRun.model_fields.keys() - {"task_count", "nodes"}
    told = {name: getattr(plan, name) for name in names}
    return told | {"task_count": len(plan.tasks), "nodes": store.nodes_of(plan)}


def _detail(plan: MigPlan) -> dict[str, Any]:
    shown = ("demand", "unserved", "makespan_seconds", "optimal", "steps", "devices")
    limits = store.limits_of(plan)
    return {
        **_row(plan),
        **{name: plan.preview[name] for name in shown},
        "tasks": plan.tasks,
        "windows": limits.windows,
        "keep_labels": limits.kept_labels or {},
        "notice_seconds": limits.notice_seconds,
    }
