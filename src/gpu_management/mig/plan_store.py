"""The verbs of plans that are carried out: keep, approve, pause, resume, cancel, read."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.core.paging import Listing, Page, list_rows
from gpu_management.devices import service as devices
from gpu_management.devices.models import Device, DeviceState
from gpu_management.events import service as events
from gpu_management.mig import execution as rules
from gpu_management.mig import plan_checks as checks
from gpu_management.mig import plan_tasks as tasks
from gpu_management.mig.errors import (
    MigPlanNotExecutable,
    MigPlanNotFound,
    MigPlanStale,
    MigPlanState,
)
from gpu_management.mig.execution import Method, PlanState, Progress
from gpu_management.mig.plan_checks import Found
from gpu_management.mig.plan_models import MigPlan, MigPlanNode
from gpu_management.mig.plan_service import Claims, ClaimsOf
from gpu_management.mig.plan_steps import Op
from gpu_management.mig.plan_tasks import Slice, Task, Unexecutable
from gpu_management.mig.planner import Plan
from gpu_management.mig.windows import (
    NO_LIMITS,
    Closed,
    Limits,
    as_document,
    closed,
    read_limits,
    without_past,
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A plan as the planner made it and as it was shown, and who will cut the GPUs."""

    plan: Plan
    shown: Mapping[str, Any]
    method: Method
    left_alone: frozenset[str] = frozenset()
    """Devices that could not be cut because somebody uses them."""
    limits: Limits = NO_LIMITS


def keep(
    session: Session, cluster: str, draft: Draft, claims: Claims, *, by: str, now: datetime
) -> MigPlan:
    """Keep a plan, with the layout it was made for.

    Raises:
        MigPlanNotExecutable: it has no steps, or one that cannot be carried out in this way.
    """
    try:
        found, todo = _ready(session, draft, claims)
    except Unexecutable as why:
        raise MigPlanNotExecutable(str(why)) from why
    plan = MigPlan(
        plan_id=str(uuid4()),
        cluster_name=cluster,
        state=PlanState.DRAFT,
        method=draft.method,
        preview=_json(draft.shown),
        found=found,
        tasks=[tasks.as_document(task) for task in todo],
        position=0,
        stage="",
        is_undoing=False,
        limits=as_document(draft.limits),
        created_by=by[:120],
        created_at=now,
        edition=1,
    )
    session.add(plan)
    session.flush()
    session.add_all(MigPlanNode(plan_id=plan.plan_id, node_name=n) for n in nodes_of(plan))
    say(session, plan, "mig.plan.created", now=now)
    return plan


def hindrance(session: Session, draft: Draft, claims: Claims) -> str | None:
    """Return the device that would have to be left alone for a draft to be carried out."""
    try:
        _ready(session, draft, claims)
    except Unexecutable as why:
        return why.device_id
    return None


def _ready(session: Session, draft: Draft, claims: Claims) -> tuple[Found, list[Task]]:
    steps = _steps(draft)
    if not steps:
        used = ", ".join(sorted(draft.left_alone))
        why = f"; {used} cannot be cut while in use" if used else ""
        raise Unexecutable(f"the plan has no steps: there is nothing to carry out{why}")
    touched = {step["device_id"] for step in steps} | {
        step["from_device_id"] for step in steps if step["from_device_id"]
    }
    found = checks.look(session, sorted(touched), claims)
    return found, _tasks(found, steps, draft.method)


def _steps(draft: Draft) -> list[dict[str, Any]]:
    """Return the steps as shown, with the start that a moved slice leaves."""
    at: dict[str, int] = {}
    told = []
    for shown, step in zip(draft.shown["steps"], draft.plan.steps, strict=True):
        begins = at.get(step.item.id, step.item.start)
        told.append({**shown, "from_start": begins})
        at[step.item.id] = step.start
    return told


def _json(shown: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if name != "created_at"}


def _tasks(found: Found, steps: Sequence[Mapping[str, Any]], method: Method) -> list[Task]:
    before = {device: [Slice(*each) for each in told["slices"]] for device, told in found.items()}
    nodes = {device: told["node"] for device, told in found.items()}
    planned = [step | {"op": Op(step["op"])} for step in map(dict, steps)]
    todo = tasks.compile_tasks(planned, before, nodes, whole=method is Method.MIG_MANAGER)
    if not todo:
        raise Unexecutable("the steps cancel each other out")
    if method is Method.MIG_MANAGER:
        tasks.check_whole_cuts(todo, before)
    return todo


def find(session: Session, plan_id: str) -> MigPlan:
    """Return the plan.

    Raises:
        MigPlanNotFound: no such id.
    """
    plan = session.get(MigPlan, plan_id, populate_existing=True)
    if plan is None:
        raise MigPlanNotFound(f"no repartition plan has the id {plan_id}")
    return plan


def list_plans(session: Session, cluster: str, *, state: PlanState | None, page: Page) -> Listing:
    """Return plans, the newest first unless asked otherwise."""
    query = select(MigPlan).where(MigPlan.cluster_name == cluster)
    if state is not None:
        query = query.where(MigPlan.state == state)
    sorts = {"createdAt": MigPlan.created_at}
    page = replace(page, sort=page.sort or "-createdAt")
    listing = list_rows(session, query, sorts=sorts, key=MigPlan.plan_id, page=page)
    return Listing([row[0] for row in listing.rows], listing.total, listing.next_cursor)


def approve(
    session: Session, plan_id: str, claims_of: ClaimsOf, *, by: str, now: datetime
) -> MigPlan:
    """Let a draft be carried out as soon as its nodes are free.

    Raises:
        MigPlanState: it is no draft.
        MigPlanStale: the devices are not as they were when it was made, or a window is over.
    """
    plan = _locked(session, plan_id, {PlanState.DRAFT}, "approved")
    different = checks.differences(session, plan, claims_of)
    shut = closed(limits_of(plan).windows, nodes_of(plan), now=now, margin=timedelta(0))
    if different is None and shut is not None and shut.is_over:
        different = shut.why
    if different:
        raise MigPlanStale(f"{different}; make a new plan")
    plan.state = PlanState.APPROVED
    plan.approved_by = by[:120]
    plan.approved_at = now
    return _changed(session, plan, "mig.plan.approved", now=now)


def pause(session: Session, plan_id: str, *, now: datetime) -> MigPlan:
    """Stop a plan after what is under way; its devices stay held back.

    Raises:
        MigPlanState: it is not running.
    """
    plan = _locked(session, plan_id, {PlanState.RUNNING}, "paused")
    plan.state = PlanState.PAUSED
    plan.message = plan.message or "paused by hand"
    return _changed(session, plan, "mig.plan.paused", now=now)


def resume(session: Session, plan_id: str, *, now: datetime) -> MigPlan:
    """Go on with a paused plan, in the direction it had; windows that are over bind no more.

    Raises:
        MigPlanState: it is not paused.
    """
    plan = _locked(session, plan_id, {PlanState.PAUSED}, "resumed")
    plan.limits = as_document(without_past(limits_of(plan), now=now, margin=margin_of(plan)))
    why = plan.message if plan.is_undoing else None
    write(plan, rules.resume(progress_of(plan), now=now))
    plan.message = why
    hold_back(session, plan, now=now)
    return _changed(session, plan, "mig.plan.resumed", now=now)


def cancel(session: Session, plan_id: str, *, by: str, now: datetime) -> MigPlan:
    """Give a plan up: one that has begun is taken back to the recorded layout.

    Raises:
        MigPlanState: it has ended.
    """
    possible = {state for state in PlanState if state not in rules.ENDED}
    plan = _locked(session, plan_id, possible, "cancelled")
    why = f"cancelled by {by}"
    if plan.state in rules.OPEN:
        if not plan.is_undoing:
            write(plan, rules.undo(progress_of(plan), why, now=now))
        plan.state = PlanState.RUNNING if plan.state is PlanState.PAUSED else plan.state
        hold_back(session, plan, now=now)
        if plan.state is PlanState.ROLLED_BACK:
            close(session, plan, now=now)
        return _changed(session, plan, "mig.plan.cancelled", now=now)
    plan.state = PlanState.ROLLED_BACK
    plan.ended_at = now
    plan.message = f"{why} before it began"
    return _changed(session, plan, "mig.plan.cancelled", now=now)


def _locked(session: Session, plan_id: str, allowed: set[PlanState], verb: str) -> MigPlan:
    devices.lock(session, find(session, plan_id).cluster_name)
    plan = find(session, plan_id)
    if plan.state not in allowed:
        raise MigPlanState(f"plan {plan_id} is {plan.state.value}: it cannot be {verb}")
    return plan


def progress_of(plan: MigPlan) -> Progress:
    """Return where a plan has come to."""
    return Progress(
        plan.state, plan.position, plan.stage, plan.stage_since, plan.is_undoing, plan.message
    )


def write(plan: MigPlan, progress: Progress) -> None:
    """Write down where a plan has come to."""
    plan.state = progress.state
    plan.position = progress.position
    plan.stage = progress.stage[:40]
    plan.stage_since = progress.since
    plan.is_undoing = progress.is_undoing
    plan.message = None if progress.message is None else progress.message[:2000]
    plan.edition += 1


def limits_of(plan: MigPlan) -> Limits:
    """Return when and where a plan may act."""
    return read_limits(plan.limits)


def margin_of(plan: MigPlan) -> timedelta:
    """Return how long before the end of a window nothing is begun any more."""
    return timedelta(0) if plan.method is Method.LEDGER else rules.PATIENCE.window_margin


def nodes_of(plan: MigPlan) -> list[str]:
    """Return the names of the nodes that a plan touches."""
    return sorted({told["node"] for told in plan.found.values()})


def shut_for(plan: MigPlan, task: Task | None, *, now: datetime) -> Closed | None:
    """Say why a task, or with None the first one, may not be begun now; None where it may."""
    todo = task or next(iter(tasks_of(plan)), None)
    if todo is None:
        return None
    names = nodes_for(plan, todo)
    return closed(limits_of(plan).windows, names, now=now, margin=margin_of(plan))


def nodes_for(plan: MigPlan, task: Task) -> list[str]:
    """Return the names of the nodes that a task of a plan touches."""
    nodes = {device: told["node"] for device, told in plan.found.items()}
    return sorted(tasks.nodes_of(task, nodes))


def wait(plan: MigPlan, why: str) -> None:
    """Note what an approved plan waits for, where that is news."""
    if plan.message != why:
        plan.message = why[:2000]
        plan.edition += 1


def tasks_of(plan: MigPlan) -> list[Task]:
    """Return the tasks of a plan."""
    return [tasks.read_task(told) for told in plan.tasks]


def devices_of(session: Session, plan: MigPlan) -> list[Device]:
    """Return the devices that a plan touches and that are still there."""
    query = select(Device).where(Device.live_id.in_(sorted(plan.found)))
    return list(session.scalars(query.order_by(Device.id)))


def is_busy(session: Session, plan: MigPlan) -> bool:
    """Say whether another plan has one of the nodes."""
    keys = [_key(plan, node.node_name) for node in _nodes(session, plan)]
    taken = select(MigPlanNode.node_name).where(MigPlanNode.open_key.in_(keys)).limit(1)
    return session.scalar(taken) is not None


def open_plan(session: Session, plan: MigPlan, *, now: datetime) -> None:
    """Begin to carry out a plan: its nodes are its own, and its devices are held back."""
    for node in _nodes(session, plan):
        node.open_key = _key(plan, node.node_name)
    session.flush()
    hold_back(session, plan, now=now)
    plan.state = PlanState.RUNNING
    plan.message = None
    plan.started_at = plan.stage_since = now
    _changed(session, plan, "mig.plan.started", now=now)


def hold_back(session: Session, plan: MigPlan, *, now: datetime) -> None:
    """Keep everybody else away from the devices of a plan; broken ones are left as they are."""
    for device in devices_of(session, plan):
        if device.state is DeviceState.READY:
            reason = f"repartition plan {plan.plan_id}"
            devices.set_state(session, device, DeviceState.RECONFIGURING, reason=reason, now=now)


def close(session: Session, plan: MigPlan, *, now: datetime) -> None:
    """Let go of nodes and devices; where taking back failed, the devices wait for a person."""
    for node in _nodes(session, plan):
        node.open_key = None
    plan.ended_at = now
    has_failed = plan.state is PlanState.FAILED
    state = DeviceState.MAINTENANCE if has_failed else DeviceState.READY
    reason = f"repartition plan {plan.plan_id} {'failed' if has_failed else 'ended'}"
    for device in devices_of(session, plan):
        if device.state is DeviceState.RECONFIGURING:
            devices.set_state(session, device, state, reason=reason, now=now)


def _nodes(session: Session, plan: MigPlan) -> list[MigPlanNode]:
    query = select(MigPlanNode).where(MigPlanNode.plan_id == plan.plan_id)
    return list(session.scalars(query.order_by(MigPlanNode.node_name)))


def _key(plan: MigPlan, node_name: str) -> str:
    return f"{plan.cluster_name}/{node_name}"


def _changed(session: Session, plan: MigPlan, kind: str, *, now: datetime) -> MigPlan:
    plan.edition += 1
    say(session, plan, kind, now=now)
    return plan


def say(session: Session, plan: MigPlan, kind: str, *, now: datetime) -> None:
    """Write an event about a plan in the transaction of the deed."""
    events.record(
        session,
        kind,
        subject_kind="mig-plan",
        subject_id=plan.plan_id,
        cluster=plan.cluster_name,
        data={
            "planId": plan.plan_id,
            "state": plan.state.value,
            "task": plan.position,
            "tasks": len(plan.tasks),
            "isUndoing": plan.is_undoing,
            "message": plan.message,
        },
        now=now,
    )
