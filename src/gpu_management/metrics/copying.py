"""Minutes of held GPUs from a Prometheus, for the ledger: no sample of our own is needed.

Prometheus is asked outside of any writing transaction. While it is away nothing is copied, and
afterwards copying goes on where it was.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import delete, insert, or_, select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Hold
from gpu_management.core.database import table_of
from gpu_management.metrics.models import MinuteUse, RollUp
from gpu_management.metrics.questions import HOUR, MINUTE, How, Metric, Point, Question
from gpu_management.metrics.rollup import LATENESS, make_hours, make_pod_minutes, note_remade
from gpu_management.metrics.store import Store

_TABLE: Final = table_of(MinuteUse)
_DONE: Final = select(RollUp.done_until_ts).where(RollUp.tier == "minute")
_LOOK_BACK: Final = timedelta(hours=6)
"""Where the first copy begins."""


@dataclass(frozen=True, slots=True)
class Copied:
    """The minutes of [`since`, `until`), Unix seconds."""

    since: int
    until: int
    points: list[Point]


def fetch(session: Session, store: Store, *, now: datetime) -> Copied | None:
    """Return the minutes that come next, an hour of them at most; None: none is over yet.

    Raises:
        MetricsUnavailable: the backend did not answer.
    """
    done = session.scalar(_DONE)
    since = _minute(now - _LOOK_BACK) if done is None else done
    until = min(_minute(now - LATENESS), since + HOUR)
    if until <= since:
        return None
    held = _held(session, since, until)
    points: list[Point] = []
    if held:
        asked = Question(Metric.UTILIZATION_PCT, How.AVG, since, until, MINUTE, held)
        points = store.points(session, asked)
    return Copied(since, until, points)


def keep(session: Session, copied: Copied, *, now: datetime, least: int = 2) -> int:
    """Write minutes down, and make the hours that are complete; return how many minutes.

    Whoever comes second finds them there.
    """
    done = session.get(RollUp, "minute", with_for_update=True)
    if done is None:
        done = RollUp(tier="minute", done_until_ts=copied.since)
        session.add(done)
    if done.done_until_ts != copied.since:
        return 0
    within = (_TABLE.c.at_ts >= copied.since, _TABLE.c.at_ts < copied.until)
    session.execute(delete(_TABLE).where(*within))
    rows = list(_rows(copied.points))
    if rows:
        session.connection().execute(insert(_TABLE), rows)
    minutes = range(copied.since, copied.until, MINUTE)
    for at in minutes:
        make_pod_minutes(session, at)
    note_remade(session, minutes, now=now)
    done.done_until_ts = copied.until
    session.flush()
    make_hours(session, least=least)
    return len(minutes)


def _rows(points: Iterable[Point]) -> Iterable[dict[str, Any]]:
    for point in points:
        samples = round(point.samples)
        if samples:
            pct = point.total / point.samples
            yield {
                "device_id": point.device,
                "gpu_instance_id": point.instance,
                "at_ts": point.at,
                "samples": samples,
                "utilization_samples": samples,
                "utilization_pct": pct,
                "utilization_pct_max": pct,
            }


def _held(session: Session, since: int, until: int) -> frozenset[int]:
    query = select(Hold.device_id).where(
        Hold.started_at < datetime.fromtimestamp(until, UTC),
        or_(Hold.ended_at.is_(None), Hold.ended_at > datetime.fromtimestamp(since, UTC)),
    )
    return frozenset(session.scalars(query))


def _minute(moment: datetime) -> int:
    return int(moment.timestamp()) // MINUTE * MINUTE
