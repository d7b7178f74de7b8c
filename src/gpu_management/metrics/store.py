"""Who answers questions about use: one protocol, two backends (`embedded`, `promql`)."""

from collections.abc import Iterable
from typing import Protocol

from sqlalchemy.orm import Session

from gpu_management.core.problems import ServiceUnavailable
from gpu_management.metrics.combine import Sum
from gpu_management.metrics.questions import Group, Now, Point, Question


class MetricsUnavailable(ServiceUnavailable):
    """The Prometheus that keeps the measurements did not answer."""

    code, title = "METRICS_UNAVAILABLE", "Measurements cannot be read now"


class Store(Protocol):
    """Where measurements are."""

    def points(self, session: Session, question: Question) -> list[Point]:
        """Return the buckets of every GPU and instance that was measured.

        Raises:
            MetricsUnavailable: the backend did not answer.
        """

    def sums(
        self, session: Session, question: Question, group: Group
    ) -> dict[str, dict[int, Sum]] | None:
        """Return sums by group and bucket where the backend can do that itself, else None."""

    def recent(self, session: Session, *, since: int, until: int) -> Iterable[Now]:
        """Return figures of the last moments, oldest first; of one target there may be several.

        Raises:
            MetricsUnavailable: the backend did not answer.
        """
