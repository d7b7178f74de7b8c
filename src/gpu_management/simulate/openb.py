"""The fleet of a cluster trace: its nodes, and the models it does not name."""

from collections.abc import Callable, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gpu_management.devices import library
from gpu_management.devices import service as devices
from gpu_management.devices.bulk import NodePlan, register_all
from gpu_management.devices.models import Device, Model, Node
from gpu_management.events import told
from gpu_management.rates import service as rates
from gpu_management.simulate import world as worlds
from gpu_management.simulate.openb_files import NAME
from gpu_management.simulate.world import FleetUnusable, World

_HIDDEN: Final[Sequence[tuple[dict[str, Any], Decimal]]] = (
    (
        {
            "model_id": "openb-g2",
            "model_name": "openb G2 (name hidden by the trace; 24 GB assumed)",
            "manufacturer": "unknown",
            "architecture": None,
            "memory_gb": 24,
            "memory_mib": 24_576,
            "tdp_watts": None,
        },
        Decimal("1.006"),
    ),
    (
        {
            "model_id": "openb-g3",
            "model_name": "openb G3 (name hidden by the trace; 80 GB assumed)",
            "manufacturer": "unknown",
            "architecture": None,
            "memory_gb": 80,
            "memory_mib": 81_920,
            "tdp_watts": None,
        },
        Decimal("3.430881"),
    ),
)
"""What the trace hides, with assumed memory and price: those of an A10G and an A100 of 80 GB."""


def prepare(
    world: World,
    plans: Sequence[NodePlan],
    *,
    tell: Callable[[str], None],
) -> None:
    """Register the cluster of a trace where the database has none; else end what is left running.

    Raises:
        FleetUnusable: the database holds another fleet.
    """
    now = world.clock()
    cluster = world.office.placer.cluster_name
    with world.database.write() as session:
        told.keep_quiet(session)
        devices.lock(session, cluster)
        if worlds.simulated_nodes(session, cluster, NAME):
            _check_same(session, cluster, plans)
            ended = end_everything(session, cluster, now=now)
            tell(f"going on with the {NAME} fleet of this database; {ended} allocations ended")
        else:
            tell(f"registering {len(plans)} nodes, {sum(len(p.devices) for p in plans)} GPUs")
            register(session, cluster, plans, now=now)


def register(
    session: Session, cluster_name: str, plans: Sequence[NodePlan], *, now: datetime
) -> int:
    """Put the cluster of a trace into the fleet, with the models it hides; return its devices."""
    for facts, per_hour in _HIDDEN:
        if session.get(Model, facts["model_id"]) is None:
            library.add_model(session, facts)
            price = rates.Price(
                facts["model_id"], per_hour, note="assumed: the trace hides the model"
            )
            rates.set_rate(session, price, principal=worlds.SIMULATOR, now=now)
    return register_all(session, cluster_name, plans, now=now)


def _check_same(session: Session, cluster_name: str, plans: Sequence[NodePlan]) -> None:
    query = (
        select(Node.node_name, func.count(Device.id))
        .join(Device, (Device.node_id == Node.id) & Device.live_id.is_not(None), isouter=True)
        .where(Node.cluster_name == cluster_name)
        .group_by(Node.node_name)
    )
    present = {name: count for name, count in session.execute(query)}  # noqa: C416 - rows, not pairs
    wanted = {plan.name: len(plan.devices) for plan in plans}
    if present != wanted:
        raise FleetUnusable(
            f"the database has an {NAME} fleet of {len(present)} nodes and"
            f" {sum(present.values())} GPUs, the file {len(wanted)} and {sum(wanted.values())};"
            " give another --database-url"
        )


def end_everything(session: Session, cluster_name: str, *, now: datetime) -> int:
    """Release what an earlier replay left; return how many there were."""
    left = [row.allocation_id for row in worlds.running(session, cluster_name)]
    for allocation_id in left:
        worlds.end(session, allocation_id, reason="replay-restarted", now=now)
    return len(left)
