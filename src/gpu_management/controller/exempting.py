"""Leave alone what pods say is to be left alone though it lies idle: by label or annotation."""

from datetime import datetime, timedelta

from sqlalchemy import or_, select

from gpu_management.allocations.models import Allocation, Phase
from gpu_management.cluster.mirror import Mirror
from gpu_management.cluster.pods import PodFacts, read_pod
from gpu_management.cluster.protocol import Kind
from gpu_management.core.database import Database
from gpu_management.optimization.exemptions import LONGEST, follow_pods

_AT_LEAST = timedelta(days=1)
"""A label holds for as long as it is there: its exemption is renewed a day before it would end."""
_LOOK_AGAIN = timedelta(hours=1)


class Exempter:
    """Follows what the pods of one cluster say; runs on the leader."""

    def __init__(self, database: Database, mirror: Mirror) -> None:
        """Prepare."""
        self._database = database
        self._mirror = mirror
        self._seen = -1
        self._told: dict[str, datetime] = {}
        self._looked_at: datetime | None = None

    def run(self, now: datetime) -> int:
        """Write what changed; return how many exemptions that is."""
        edition = self._mirror.edition(Kind.POD)
        is_fresh = self._looked_at is not None and now - self._looked_at < _LOOK_AGAIN
        if edition == self._seen and is_fresh:
            return 0
        first = self._looked_at is None
        told = self._read(now)
        changed = 0
        if told != self._told or first:
            with self._database.write() as session:
                changed = follow_pods(session, told, now=now)
        self._seen, self._looked_at, self._told = edition, now, told
        return changed

    def _read(self, now: datetime) -> dict[str, datetime]:
        pods = [read_pod(thing) for thing in self._mirror.objects(Kind.POD)]
        saying = {pod.uid: pod for pod in pods if _says(pod, now) and not pod.is_over}
        if not saying:
            return {}
        named = {pod.allocation_id for pod in saying.values() if pod.allocation_id}
        query = select(Allocation.allocation_id, Allocation.pod_uid, Allocation.namespace).where(
            Allocation.phase == Phase.ALLOCATED,
            or_(Allocation.pod_uid.in_(saying), Allocation.allocation_id.in_(named)),
        )
        with self._database.read() as session:
            rows = session.execute(query).all()
        by_name = {pod.allocation_id: pod for pod in saying.values() if pod.allocation_id}
        found: dict[str, datetime] = {}
        for allocation_id, uid, namespace in rows:
            pod = saying.get(uid or "") or by_name[allocation_id]
            if pod.namespace == namespace:
                found[allocation_id] = self._until(pod, self._told.get(allocation_id), now)
        return found

    @staticmethod
    def _until(pod: PodFacts, before: datetime | None, now: datetime) -> datetime:
        if pod.exempt_until is not None and not pod.is_exempt:
            return min(pod.exempt_until, now + LONGEST)
        is_long = before is not None and now + _AT_LEAST < before <= now + LONGEST
        return before if is_long and before is not None else now + LONGEST


def _says(pod: PodFacts, now: datetime) -> bool:
    return pod.is_exempt or (pod.exempt_until is not None and pod.exempt_until > now)
