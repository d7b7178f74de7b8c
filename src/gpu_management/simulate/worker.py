"""The demonstration's people at work: they ask as everybody does, and leave enough to others."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Final

from sqlalchemy.orm import Session

from gpu_management.allocations import service as allocations
from gpu_management.allocations.models import Allocation
from gpu_management.allocations.office import Office
from gpu_management.allocations.request import Ask
from gpu_management.core.problems import Problem
from gpu_management.simulate import demand, reserve, world
from gpu_management.simulate.demand import Arrival
from gpu_management.simulate.demo_fleet import PEOPLE, POOL_LABEL

FULLEST: Final = 0.75
"""Held part of the fleet above which nobody of ours asks for more."""
EMPTIEST: Final = 0.62
"""Held part of the fleet below which more is asked for than is due."""
_MOST_WAITING: Final = 2


@dataclass(frozen=True, slots=True)
class Worker:
    """Asks for what arrives, unless people would miss it."""

    office: Office
    seed: int

    @property
    def cluster(self) -> str:
        """Return the name of the cluster."""
        return self.office.placer.cluster_name

    def ask(
        self, session: Session, arrival: Arrival, *, now: datetime, may_wait: bool
    ) -> Allocation | None:
        """Request what an arrival wants; None where nothing fits, or too little would be left."""
        if world.held_ratio(session, self.cluster) > FULLEST:
            return None
        may_wait = may_wait and len(world.waiting(session, self.cluster)) < _MOST_WAITING
        ask = demand.ask_of(arrival, pool_label=POOL_LABEL, may_wait=may_wait)
        if not self._is_polite(session, ask, now=now):
            return None
        return self.request(session, ask, now=now)

    def request(self, session: Session, ask: Ask, *, now: datetime) -> Allocation | None:
        """Request as everybody does; None where it is refused: ours try another time."""
        try:
            return allocations.request(
                session, self.office, ask, principal=world.SIMULATOR, now=now
            )
        except Problem:
            return None

    def _is_polite(self, session: Session, ask: Ask, *, now: datetime) -> bool:
        """Say whether people would still find what is kept for them."""
        try:
            seen = allocations.preview(
                session, self.office, ask, principal=world.SIMULATOR, now=now
            )
        except Problem:
            return False
        if seen.place is None:
            return ask.wait_seconds is not None
        taken = [part.device_pk for part in seen.place.parts]
        return reserve.spare(session, self.cluster).allows(taken)

    def extra(self, session: Session, random: Random, *, now: datetime) -> Allocation | None:
        """Ask for something out of turn while the fleet is emptier than usual."""
        if world.held_ratio(session, self.cluster) >= EMPTIEST:
            return None
        arrival = demand.draw(random, at=now, people=PEOPLE)
        return self.ask(session, arrival, now=now, may_wait=False)

    def end_of(self, namespace: str, pod_name: str, started_at: datetime) -> tuple[datetime, str]:
        """Return when our work ends by itself, and why; at once where nobody knows it."""
        kind = demand.kind_of(namespace, pod_name)
        if kind is None:
            return started_at, "abandoned"
        life = demand.life_of(self.seed, kind, pod_name)
        limit = timedelta(hours=kind.max_hours) if kind.max_hours else None
        if limit is not None and limit <= life:
            return started_at + limit, "expired"
        return started_at + life, "completed"
