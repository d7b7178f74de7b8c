"""What a simulated fleet needs of the process that runs it, and what it asks of the database."""

from datetime import datetime
from typing import Final, Protocol

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gpu_management.allocations import service as allocations
from gpu_management.allocations.models import Allocation, Hold, Phase
from gpu_management.allocations.office import Office
from gpu_management.auth.access import Role
from gpu_management.auth.principals import Principal, PrincipalKind
from gpu_management.core.clock import Clock
from gpu_management.core.database import AnyRow, Database
from gpu_management.devices.models import Device, Node

FLEET_LABEL: Final = "simulator/fleet"
"""Every simulated node carries it; its value is the name of the fleet."""
SIMULATOR: Final = Principal("simulator", frozenset({Role.ADMIN}), PrincipalKind.SYSTEM)
"""Who simulated requests come from; what anybody else asked for is never touched."""


class FleetUnusable(Exception):
    """The asked fleet cannot be made; the sentence says why."""


class World(Protocol):
    """The parts of a process that a simulation drives: the same that people's requests go to."""

    @property
    def database(self) -> Database:
        """Where the fleet is kept."""

    @property
    def office(self) -> Office:
        """Where requests are decided."""

    @property
    def clock(self) -> Clock:
        """What time it is."""


class Simulation(Protocol):
    """A fleet that changes by itself."""

    @property
    def seconds(self) -> float:
        """Return the real seconds between two steps."""

    def step(self, now: datetime) -> None:
        """Do what is due at `now`, each deed in a transaction of its own."""


def simulated_nodes(session: Session, cluster_name: str, fleet: str) -> list[Node]:
    """Return the nodes of `fleet`, by rank; empty in a new database.

    Raises:
        FleetUnusable: the cluster has nodes that this fleet did not bring.
    """
    query = select(Node).where(Node.cluster_name == cluster_name).order_by(Node.rank)
    nodes = list(session.scalars(query))
    others = [node.node_name for node in nodes if node.labels.get(FLEET_LABEL) != fleet]
    if others:
        raise FleetUnusable(
            f"the database has {len(others)} node(s) that are not of the simulated fleet {fleet},"
            f" such as {others[0]}; give another --database-url, or serve with --fleet none"
        )
    return nodes


def running(session: Session, cluster_name: str) -> list[AnyRow]:
    """Return id, namespace, pod name and start of what the simulator holds."""
    query = select(
        Allocation.allocation_id,
        Allocation.namespace,
        Allocation.pod_name,
        Allocation.allocated_at,
    ).where(
        Allocation.cluster_name == cluster_name,
        Allocation.requested_by == SIMULATOR.name,
        Allocation.phase == Phase.ALLOCATED,
    )
    return list(session.execute(query))


def waiting(session: Session, cluster_name: str) -> list[str]:
    """Return the ids of what the simulator waits for."""
    query = select(Allocation.allocation_id).where(
        Allocation.cluster_name == cluster_name,
        Allocation.requested_by == SIMULATOR.name,
        Allocation.phase == Phase.PENDING,
    )
    return list(session.scalars(query))


def running_on(session: Session, device_pk: int) -> list[str]:
    """Return the ids of what the simulator runs on a device."""
    query = (
        select(Allocation.allocation_id)
        .join(Hold, Hold.allocation_id == Allocation.allocation_id)
        .where(
            Hold.device_id == device_pk,
            Hold.ended_at.is_(None),
            Allocation.requested_by == SIMULATOR.name,
        )
        .order_by(Hold.id)
    )
    return list(dict.fromkeys(session.scalars(query)))


def held_ratio(session: Session, cluster_name: str) -> float:
    """Return how much of the live fleet is held, 0 to 1; 0 without devices."""
    query = select(func.sum(Device.held_milli), func.count()).where(
        Device.cluster_name == cluster_name, Device.live_id.is_not(None)
    )
    held, count = session.execute(query).one()
    return (held or 0) / (1000 * count) if count else 0.0


def end(session: Session, allocation_id: str, *, reason: str, now: datetime) -> None:
    """Release something of the simulator's."""
    allocations.release(session, allocation_id, principal=SIMULATOR, reason=reason, now=now)
