"""Which node pool a node belongs to, and what follows when that changes."""

from collections.abc import Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.devices import states
from gpu_management.devices.models import Device, Node

WELL_KNOWN_LABELS = (
    "gpu.company.com/node-pool",
    "cloud.google.com/gke-nodepool",
    "eks.amazonaws.com/nodegroup",
    "kubernetes.azure.com/agentpool",
)
"""Labels that name a node's pool: ours, then those of GKE, EKS and AKS."""

_EVERY_POOL = "*"


def pool_of(labels: Mapping[str, str], names: Sequence[str] = WELL_KNOWN_LABELS) -> str | None:
    """Return the value of the first of `names` that `labels` has, or None: in no pool."""
    found = (labels.get(name, "") for name in names)
    return next((pool for pool in found if pool not in {"", _EVERY_POOL}), None)


def move(session: Session, node: Node, pool: str | None, *, now: datetime) -> bool:
    """Put a node into a pool; return whether it moved.

    What its cards are worth changes with the pool, so the open stretches of their timelines end
    and go on in the new one, and placement reads them again: the caller has numbered the change of
    the node. Holds keep the pool, and so the price, that they began with.
    """
    if node.node_pool == pool:
        return False
    node.node_pool = pool
    session.add(node)
    session.flush()
    for device in session.scalars(
        select(Device).where(Device.node_id == node.id, Device.live_id.is_not(None))
    ):
        states.roll_over(session, device, pool, now=now)
        device.revision = node.revision
    return True
