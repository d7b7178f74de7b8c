"""The start of the demonstration: the fleet is built and gets two weeks of past.

The past goes through the same services as the present, in the order of time and in one
transaction, so an interrupted start leaves nothing behind.
"""

import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial
from itertools import count
from random import Random
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Phase
from gpu_management.auth import teams
from gpu_management.auth.models import Team
from gpu_management.auth.schemas import TeamCreate
from gpu_management.devices import service as devices
from gpu_management.devices.bulk import register_all
from gpu_management.devices.models import Device, DeviceState
from gpu_management.mig import service as mig
from gpu_management.simulate import demand, demo_budgets, faults, reserve, world
from gpu_management.simulate.demand import Arrival
from gpu_management.simulate.demo_fleet import (
    LAYOUTS,
    OUT_OF_WORK,
    PEOPLE,
    POOL_LABEL,
    TEAMS,
    UNDER_MAINTENANCE,
    layout_of,
    node_plans,
)
from gpu_management.simulate.worker import EMPTIEST, Worker

DAYS: Final = 14
"""How far back the past of a new demonstration goes."""
_LIVELY: Final = timedelta(minutes=40)
"""How much of the past has the brief work too."""
_BUILT_BEFORE: Final = timedelta(hours=2)
_FIRST_REQUESTS: Final = 400
_KEPT_IN_MEMORY: Final = 50

Tell = Callable[[str], None]
Deed = Callable[[datetime], None]


def build(session: Session, worker: Worker, now: datetime, *, days: int, tell: Tell) -> None:
    """Make teams, nodes and devices, and let `days` pass until `now`."""
    start = now - timedelta(days=days)
    plans = node_plans(worker.seed, now=start)
    tell(f"registering {len(plans)} nodes, {sum(len(plan.devices) for plan in plans)} GPUs")
    for team in TEAMS:
        if session.get(Team, team.team_id) is None:
            asked = TeamCreate(
                team_id=team.team_id,
                name=team.name,
                gpu_limit_milli=team.gpu_limit * 1000,
                namespaces=list(team.namespaces),
            )
            teams.create_team(session, asked, by=world.SIMULATOR, now=start - _BUILT_BEFORE)
    demo_budgets.set_budgets(session, worker.cluster, now=start - _BUILT_BEFORE)
    register_all(session, worker.cluster, plans, now=start - _BUILT_BEFORE)
    _cut(session, worker.cluster, now=start - _BUILT_BEFORE)
    session.flush()
    Past(session, worker).live_through(start, now, tell)


def _cut(session: Session, cluster_name: str, *, now: datetime) -> None:
    for node_name, layouts in LAYOUTS.items():
        node = devices.find_node(session, cluster_name, node_name)
        query = select(Device).where(Device.node_id == node.id).order_by(Device.device_index)
        for device, layout in zip(session.scalars(query).all(), layouts, strict=False):
            mig.enable(session, device, now=now)
            if layout:
                mig.apply_layout(session, device, layout_of(layout), now=now)


@dataclass(slots=True)
class Past:
    """Deeds in the order of time."""

    session: Session
    worker: Worker
    _due: list[tuple[datetime, int, Deed]] = field(default_factory=list)
    _number: "count[int]" = field(default_factory=count)

    def live_through(self, start: datetime, until: datetime, tell: Tell) -> None:
        """Do everything that happens from `start` to `until`."""
        self._plan(start, until)
        told = 0
        while self._due and self._due[0][0] <= until:
            moment, number, deed = heapq.heappop(self._due)
            deed(moment)
            passed = int(4 * ((moment - start) / (until - start))) * 25
            if passed > told:
                told = passed
                tell(f"{(until - start).days} days of history: {passed} %")
            if number % _KEPT_IN_MEMORY == 0:
                self.session.flush()
                self.session.expunge_all()
        self.session.flush()
        while reserve.make_room(self.session, self.worker.cluster, now=until):
            self.session.flush()

    def _plan(self, start: datetime, until: datetime) -> None:
        self._at(start, self._open)
        lively = until - _LIVELY
        seed = self.worker.seed
        arrivals = demand.arrivals(seed, start, lively, brief=False, people=PEOPLE)
        arrivals += demand.arrivals(seed, lively, until, brief=True, people=PEOPLE)
        for arrival in arrivals:
            self._at(arrival.at, partial(self._ask, arrival, may_wait=arrival.at >= lively))
        for fault in faults.drawn(seed, start, until - timedelta(hours=2)):
            self._at(fault.at, partial(self._break, fault))
        for device_id, (before, state, reason) in OUT_OF_WORK.items():
            self._at(max(start, until - before), partial(self._lose, device_id, state, reason))
        node_name, before, reason = UNDER_MAINTENANCE
        self._at(max(start, until - before), partial(self._maintain, node_name, reason))
        large = demand.large_request(seed, until - timedelta(minutes=12), people=PEOPLE)
        self._at(large.at, partial(self._ask, large, may_wait=True))

    def _at(self, moment: datetime, deed: Deed) -> None:
        heapq.heappush(self._due, (moment, next(self._number), deed))

    def _open(self, now: datetime) -> None:
        """Start with a fleet in use, not with an empty one."""
        random = Random(f"{self.worker.seed}/opening")  # noqa: S311 - repeatable on purpose
        for _ in range(_FIRST_REQUESTS):
            if world.held_ratio(self.session, self.worker.cluster) > EMPTIEST:
                break
            self._ask(demand.draw(random, at=now, people=PEOPLE), now, may_wait=False)

    def _ask(self, arrival: Arrival, now: datetime, *, may_wait: bool) -> None:
        """Request without a thought for people: nobody watches the past."""
        ask = demand.ask_of(arrival, pool_label=POOL_LABEL, may_wait=may_wait)
        made = self.worker.request(self.session, ask, now=now)
        if made is not None and made.phase is Phase.ALLOCATED:
            end, reason = self.worker.end_of(made.namespace, made.pod_name, now)
            self._at(end, partial(self._end, made.allocation_id, reason))

    def _end(self, allocation_id: str, reason: str, now: datetime) -> None:
        world.end(self.session, allocation_id, reason=reason, now=now)

    def _break(self, fault: faults.Fault, now: datetime) -> None:
        broken = faults.strike(self.session, self.worker.cluster, fault, now=now)
        if broken is not None:
            repaired = now + faults.repair_time(self.worker.seed, broken.id, now)
            self._at(repaired, partial(self._mend, broken.device_id))

    def _mend(self, device_id: str, now: datetime) -> None:
        device = devices.find_device(self.session, device_id)
        if device.state is DeviceState.FAILED and device.device_id not in OUT_OF_WORK:
            faults.mend(self.session, device, now=now)

    def _lose(self, device_id: str, state: DeviceState, reason: str, now: datetime) -> None:
        device = devices.find_device(self.session, device_id)
        faults.take_down(self.session, device, state, reason=reason, now=now, actor=None)

    def _maintain(self, node_name: str, reason: str, now: datetime) -> None:
        node = devices.find_node(self.session, self.worker.cluster, node_name)
        devices.set_schedulable(self.session, node, is_schedulable=False)
        query = select(Device).where(Device.node_id == node.id).order_by(Device.device_index)
        for device in self.session.scalars(query).all():
            faults.take_down(
                self.session,
                device,
                DeviceState.MAINTENANCE,
                reason=reason,
                now=now,
                actor="minjun.kim",
            )
