"""Whether the fleet is still what a plan was made for."""

from collections.abc import Sequence
from typing import Any

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.devices.models import Device, DeviceState, Node
from gpu_management.mig.models import MigInstance
from gpu_management.mig.plan_models import MigPlan
from gpu_management.mig.plan_service import Claims, ClaimsOf
from gpu_management.mig.windows import keeping_label, read_limits

Found = dict[str, dict[str, Any]]
"""For each device touched: its node, and its slices with their holders."""


def look(session: Session, device_ids: Sequence[str], claims: Claims) -> Found:
    """Return node and slices, with their holders, of devices as they are now."""
    query = (
        select(Device.device_id, Node.node_name, MigInstance)
        .join(Node, Node.id == Device.node_id)
        .outerjoin(
            MigInstance,
            (MigInstance.device_id == Device.id) & MigInstance.destroyed_at.is_(None),
        )
        .where(Device.live_id.in_(device_ids))
        .order_by(Device.device_id, MigInstance.placement_start)
    )
    found: Found = {}
    for device_id, node_name, instance in session.execute(query):
        told = found.setdefault(device_id, {"node": node_name, "slices": []})
        if instance is not None:
            holder = claims.holders.get(instance.id)
            owner = holder.allocation_id if holder else ("?" if instance.held else None)
            told["slices"].append([instance.profile_name, instance.placement_start, owner])
    return found


def differences(session: Session, plan: MigPlan, claims_of: ClaimsOf) -> str | None:
    """Say how the devices differ from what the plan was made for, or None."""
    present = look(session, sorted(plan.found), claims_of(session, plan.cluster_name))
    for device_id, told in sorted(plan.found.items()):
        if device_id not in present:
            return f"{device_id} is no longer there"
        if present[device_id] != told:
            return f"the slices of {device_id} or their holders have changed"
    broken = select(Device.device_id, Device.state).where(
        Device.live_id.in_(sorted(plan.found)), Device.state != DeviceState.READY
    )
    for device_id, state in session.execute(broken):
        return f"{device_id} is {state.value}"
    return kept_away(session, plan, sorted({told["node"] for told in plan.found.values()}))


def kept_away(session: Session, plan: MigPlan, nodes: Sequence[str]) -> str | None:
    """Say which of the nodes a plan must leave alone, and why, or None."""
    kept = read_limits(plan.limits).kept_labels
    query = select(Node.node_name, Node.labels, Node.is_schedulable).where(
        Node.cluster_name == plan.cluster_name, Node.node_name.in_(nodes)
    )
    for name, labels, is_schedulable in session.execute(query.order_by(Node.node_name)):
        label = keeping_label(labels, kept)
        if label is not None:
            return f"{name} has the label {label}, which keeps plans away"
        if not is_schedulable:
            return f"{name} is cordoned"
    return None


def not_held_back(session: Session, plan: MigPlan) -> str | None:
    """Say which device of a plan is away, broken or no longer held back, or None."""
    states = {device.device_id: device.state for device in _devices(session, plan)}
    for device_id in sorted(plan.found):
        state = states.get(device_id)
        if state is None:
            return f"{device_id} is no longer there"
        if state is not DeviceState.RECONFIGURING:
            return f"{device_id} is {state.value}"
    return None


def _devices(session: Session, plan: MigPlan) -> Sequence[Device]:
    query = select(Device).where(Device.live_id.in_(sorted(plan.found)))
    return session.scalars(query.order_by(Device.id)).all()
