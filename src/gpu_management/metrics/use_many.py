"""What many GPUs and instances did over the same stretch of time, in a few statements.

Whole hours are read from the hours, whose minutes are counted already; one by one only the minutes
at both ends, and those of hours that are not made yet.
"""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Integer, bindparam, func, select
from sqlalchemy.orm import Session

from gpu_management.core.database import table_of
from gpu_management.metrics.models import HourUse, MinuteUse, RollUp
from gpu_management.metrics.pod_use import seconds_within

MINUTE: Final = 60
HOUR: Final = 3600
_MINUTE: Final = table_of(MinuteUse).c
_HOUR: Final = table_of(HourUse).c
_OPENS: Final[Any] = bindparam("opens", type_=Integer)
_CLOSES: Final[Any] = bindparam("closes", type_=Integer)
_DONE: Final = select(RollUp.done_until_ts).where(RollUp.tier == "hour")
_SECONDS: Final = seconds_within(_OPENS, _CLOSES)
_OF_MINUTES: Final = (
    select(
        _MINUTE.device_id,
        _MINUTE.gpu_instance_id,
        func.sum(_SECONDS),
        func.sum(_SECONDS * _MINUTE.utilization_pct),
    )
    .where(
        _MINUTE.at_ts > _OPENS - MINUTE,
        _MINUTE.at_ts < _CLOSES,
        _MINUTE.utilization_samples >= bindparam("least"),
    )
    .group_by(_MINUTE.device_id, _MINUTE.gpu_instance_id)
)
_WITHIN: Final = (_HOUR.at_ts >= _OPENS, _HOUR.at_ts < _CLOSES)
_OF_HOURS: Final = (
    select(
        _HOUR.device_id,
        _HOUR.gpu_instance_id,
        func.sum(_HOUR.measured_minutes * MINUTE),
        func.sum(_HOUR.measured_pct * MINUTE),
    )
    .where(*_WITHIN)
    .group_by(_HOUR.device_id, _HOUR.gpu_instance_id)
)
_OF_ONE: Final = select(
    func.sum(_HOUR.measured_minutes * MINUTE), func.sum(_HOUR.measured_pct * MINUTE)
).where(
    # One by one: in the order of their key, hours of one GPU lie far apart.
    _HOUR.at_ts.in_(bindparam("hours", expanding=True)),
    _HOUR.device_id == bindparam("device"),
    _HOUR.gpu_instance_id == bindparam("instance"),
)
_OTHERWISE: Final = (
    select(_HOUR.at_ts)
    .where(
        *_WITHIN,
        _HOUR.measured_least.is_(None) | (_HOUR.measured_least != bindparam("least")),
    )
    .limit(1)
)
"""Hours that were counted with another interval, or before they were counted at all."""

Target = tuple[int, int]


@dataclass(slots=True)
class Measured:
    """Seconds that were measured, and the same times the percentage of each."""

    seconds: int = 0
    busy: float = 0.0


def measured(
    session: Session, span: tuple[int, int], *, least: int, hours: tuple[int, int]
) -> dict[Target, Measured]:
    """Return what every GPU and instance did in a stretch [since, until) of Unix seconds.

    `hours` are those of it that can be read as such: `whole_hours`.
    """
    found: dict[Target, Measured] = defaultdict(Measured)
    first, last = hours
    stretches = [(span[0], first), (last, span[1])] if first < last else [span]
    statements = [(_OF_MINUTES, one) for one in stretches]
    if first < last:
        statements.append((_OF_HOURS, (first, last)))
    for statement, (opens, closes) in statements:
        if opens >= closes:
            continue
        told = {"opens": opens, "closes": closes, "least": least}
        if statement is _OF_HOURS:
            del told["least"]
        for device, instance, seconds, busy in session.connection().execute(statement, told):
            there = found[device, instance]
            there.seconds += int(seconds or 0)
            there.busy += float(busy or 0)
    return found


def of_hours(session: Session, target: Target, span: tuple[int, int]) -> Measured:
    """Return what one GPU or instance did in a stretch of hours that can be read as such."""
    hours = list(range(*span, HOUR))
    told = {"hours": hours, "device": target[0], "instance": target[1]}
    seconds, busy = session.connection().execute(_OF_ONE, told).one()
    return Measured(int(seconds or 0), float(busy or 0))


def whole_hours(session: Session, span: tuple[int, int], least: int) -> tuple[int, int]:
    """Return the stretch of hours within `span` that can be read as such; empty where none.

    Its bounds are whole hours, or both the end of `span`.
    """
    done = session.scalar(_DONE) or 0
    first = -(-span[0] // HOUR) * HOUR
    last = min(span[1] // HOUR * HOUR, done)
    if first >= last:
        return span[1], span[1]
    told = {"opens": first, "closes": last, "least": least}
    if session.connection().execute(_OTHERWISE, told).first() is not None:
        return span[1], span[1]
    return first, last
