"""The demonstration: a fleet with a past, whose teams go on working while people watch."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Final

from sqlalchemy.orm import Session

from gpu_management.devices import service as devices
from gpu_management.events import told
from gpu_management.simulate import collecting, demand, demo_found, demo_past, faults, reserve
from gpu_management.simulate import world as worlds
from gpu_management.simulate.collecting import Collector
from gpu_management.simulate.demo_fleet import NAME, PEOPLE
from gpu_management.simulate.demo_resources import Resources
from gpu_management.simulate.worker import EMPTIEST, Worker
from gpu_management.simulate.world import World

_EXTRAS_AT_ONCE: Final = 3


def prepare(
    world: World, seed: int, *, tell: Callable[[str], None], days: int = demo_past.DAYS
) -> "Demo":
    """Make the fleet and its past where the database has none; else go on with what it has.

    Raises:
        FleetUnusable: the database holds another fleet.
    """
    office = world.office
    worker = Worker(office, seed)
    now = world.clock()
    is_kept = is_new = False
    try:
        with world.database.write() as session:
            devices.lock(session, worker.cluster)
            if worlds.simulated_nodes(session, worker.cluster, NAME):
                tell("going on with the demonstration fleet of this database")
            else:
                is_new = True
                told.keep_quiet(session)
                demo_past.build(session, worker, now, days=days, tell=tell)
                tell("writing down what was measured")
                since = now - timedelta(days=days)
                collecting.write_past(session, worker.cluster, seed, since=since, now=now)
                demo_found.find(session, interval_seconds=collecting.SECONDS, now=now)
        is_kept = True
    finally:
        if not is_kept:
            office.placer.forget()  # it saw what was rolled back
    resources = Resources(world.database, worker.cluster, seed)
    if is_new:
        resources.begin(now)
    return Demo(world, worker, now, Collector(worker.cluster, seed), resources)


@dataclass(slots=True)
class Demo:
    """The demonstration fleet of one process; what it knows it reads from the database."""

    world: World
    worker: Worker
    since: datetime
    collector: Collector
    resources: Resources
    seconds: float = 2.0

    def step(self, now: datetime) -> None:
        """End what is over, ask for what is due, let things break and be mended; measure."""
        since, self.since = self.since, max(now, self.since)
        self._end_due(now)
        for arrival in demand.arrivals(self.worker.seed, since, now, brief=True, people=PEOPLE):
            self._in_one(partial(self.worker.ask, arrival=arrival, now=now, may_wait=True))
        self._trouble(since, now)
        self._keep_level(now)
        self.collector.look(self.world.database, now)
        self.resources.look(now)

    def _in_one(self, deed: Callable[[Session], object]) -> None:
        with self.world.database.write() as session:
            deed(session)

    def _end_due(self, now: datetime) -> None:
        with self.world.database.read() as session:
            rows = worlds.running(session, self.worker.cluster)
        for row in rows:
            end, reason = self.worker.end_of(row.namespace, row.pod_name, row.allocated_at)
            if end <= now:
                name = row.allocation_id
                self._in_one(partial(worlds.end, allocation_id=name, reason=reason, now=now))

    def _trouble(self, since: datetime, now: datetime) -> None:
        cluster, seed = self.worker.cluster, self.worker.seed
        for fault in faults.drawn(seed, since, now):
            self._in_one(partial(faults.strike, cluster_name=cluster, fault=fault, now=now))
        with self.world.database.read() as session:
            is_due = bool(faults.due(session, cluster, seed, now=now))
        if is_due:
            self._in_one(partial(faults.mend_due, cluster_name=cluster, seed=seed, now=now))

    def _keep_level(self, now: datetime) -> None:
        """Give way where people took what was kept for them, and fill up where it is empty."""
        cluster = self.worker.cluster
        with self.world.database.read() as session:
            is_short = not reserve.spare(session, cluster).is_enough
            is_empty = worlds.held_ratio(session, cluster) < EMPTIEST
        if is_short:
            self._in_one(partial(reserve.make_room, cluster_name=cluster, now=now))
        if is_empty:
            random = Random(f"{self.worker.seed}/extra/{now.timestamp():.0f}")  # noqa: S311 - repeatable
            for _ in range(_EXTRAS_AT_ONCE):
                self._in_one(partial(self.worker.extra, random=random, now=now))
