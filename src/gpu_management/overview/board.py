"""The overview as it is sent, kept while nothing it shows has changed."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gpu_management.alerts import service as alerts
from gpu_management.core.cache import Cache
from gpu_management.core.clock import whole_second
from gpu_management.costs.service import Desk
from gpu_management.devices.models import Cluster
from gpu_management.metrics.embedded import Embedded
from gpu_management.metrics.latest import Latest
from gpu_management.overview import schemas, service
from gpu_management.overview.measured import averages

_REVISIONS = select(func.count(), func.sum(Cluster.revision))
"""Every change of devices, slices and allocations adds to its cluster's revision (ADR 0001)."""


@dataclass(frozen=True, slots=True)
class Board:
    """What one process keeps of the overview."""

    cluster_name: str
    desk: Desk
    cache: Cache
    latest: Latest = field(default_factory=lambda: Latest(Embedded()))

    def overview(self, session: Session, *, with_nodes: bool, now: datetime) -> bytes:
        """Return the overview as JSON: of the fleet as it is, and of this second's money.

        What is spent grows by the second, the rest changes with a revision or a price.
        """
        counts = tuple(session.connection().execute(_REVISIONS).one())
        version = (counts, self.desk.keeper.book(session))

        def fleet() -> schemas.Overview:
            return schemas.Overview.model_validate(
                service.overview(
                    session, self.cluster_name, self.desk, with_nodes=with_nodes, now=now
                )
            )

        def written() -> bytes:
            kept = self.cache.get(("fleet", with_nodes), version, fleet, now=now)
            money = service.money(session, self.desk, now=now)
            figures: dict[str, Any] = {**averages(self.latest.gpus(session, now=now))}
            figures["alerts"] = alerts.open_counts(session)
            sight = service.sight(session, self.cluster_name)
            shown = kept.model_copy(update=money | figures | sight | {"generated_at": now})
            return shown.model_dump_json(by_alias=True).encode()

        key = ("overview", with_nodes)
        return self.cache.get(key, (version, whole_second(now)), written, now=now)
