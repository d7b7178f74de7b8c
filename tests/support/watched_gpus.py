"""A house whose GPUs are measured every 15 seconds, with the jobs that watch them."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from gpu_management.alerts.jobs import Watch
from gpu_management.alerts.journal import Terms
from gpu_management.alerts.models import Alert
from gpu_management.alerts.reading import Reader
from gpu_management.devices.models import Device
from gpu_management.events.models import Event
from gpu_management.metrics.embedded import Embedded
from gpu_management.metrics.health import HealthWatch
from gpu_management.metrics.ingest import take
from gpu_management.metrics.latest import Latest
from gpu_management.metrics.readings import Reading, Target
from gpu_management.metrics.service import Intake
from gpu_management.metrics.store import MetricsUnavailable
from tests.support.house import CLUSTER, House

STEP = timedelta(seconds=15)
TELL = Callable[[str], dict[str, Any] | None]


class Away(Embedded):
    """A store that does not answer while `is_away`."""

    is_away = False

    def recent(self, session: Session, *, since: int, until: int) -> Any:
        """Return figures, or refuse."""
        if self.is_away:
            raise MetricsUnavailable("Prometheus does not answer")
        return super().recent(session, since=since, until=until)


class Watched:
    """The house, its measurements, and the evaluator of one process."""

    def __init__(self, house: House, *, escalate_after: timedelta | None = None) -> None:
        self.house = house
        self.intake = Intake()
        self.store = Away()
        self.terms = Terms(CLUSTER, escalate_after)
        self.watch = self.process()
        self.health = HealthWatch(house.database, Latest(self.store, 15))
        with house.database.write() as session:
            uuid = "GPU-" + Device.device_id
            session.execute(update(Device).values(uuid=uuid, live_uuid=uuid))

    def process(self) -> Watch:
        """Return an evaluator that has seen nothing yet, as a new process has."""
        reader = Reader(Latest(self.store, 15), self.house.desk)
        return Watch(self.house.database, reader, self.terms)

    def look(self, seconds: float = 15, **told: Any) -> None:
        """Measure all GPUs every 15 seconds for so long, and look after each time.

        `told` are the figures of every GPU; `only` names those that tell anything.
        """
        only = told.pop("only", None)
        for _ in range(max(1, int(seconds // 15))):
            self.house.clock.now += STEP
            self.measure(only=only, **told)
            self.watch.run(self.house.now)

    def measure(self, *, only: Sequence[str] | None = None, **told: Any) -> None:
        """Take in one look at the GPUs."""
        with self.house.database.write() as session:
            known = session.scalars(select(Device.device_id).where(Device.live_id.is_not(None)))
            readings = [
                Reading(Target(f"GPU-{name}"), **{"temperature_celsius": 50.0} | told)
                for name in known
                if only is None or name in only
            ]
            now = self.house.now
            oldest = now - timedelta(hours=6)
            take(
                session,
                self.intake.devices,
                readings,
                collected_at=now,
                oldest=oldest,
                now=now,
            )

    def alerts(self) -> list[Alert]:
        """Return every alert, the oldest first."""
        with self.house.database.read() as session:
            return list(session.scalars(select(Alert).order_by(Alert.id)))

    def open(self) -> set[str]:
        """Return the names of open alerts."""
        return {row.name for row in self.alerts() if row.resolved_at is None}

    def events(self, kind: str) -> list[dict[str, Any]]:
        """Return what was told of this kind, the oldest first."""
        with self.house.database.read() as session:
            query = select(Event.data).where(Event.type == kind).order_by(Event.id)
            return list(session.scalars(query))

    @property
    def now(self) -> datetime:
        """The present moment of the house."""
        moment: datetime = self.house.now
        return moment
