"""How much of what was held was used: measured minutes attributed to holds.

A hold of a whole GPU or of a MIG instance owns what was measured of it. A share owns it while it is
the only one on its GPU (`attribution.only_holder`); what a shared GPU did is nobody's alone and
stays unattributed, as does every minute with fewer than half of its samples.
"""

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from sqlalchemy import Float, bindparam, case, cast, func, or_, select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Allocation, Hold, HoldKind
from gpu_management.allocations.queries import effective
from gpu_management.core.database import AnyRow, AnySelect, table_of
from gpu_management.metrics import pod_use
from gpu_management.metrics.attribution import Use
from gpu_management.metrics.combine import WHOLE
from gpu_management.metrics.models import HourUse, MinuteUse
from gpu_management.metrics.rollup import least_samples
from gpu_management.metrics.use_many import HOUR, Measured, measured, of_hours, whole_hours
from gpu_management.mig.models import MigInstance

MINUTE: Final = 60
_WHOLE_MILLI: Final = 1000
_PCT: Final = 100.0
_MANY: Final = 100
"""So many holds are split together; of fewer each is asked for."""
_OF: Final = table_of(MinuteUse).c
_ANY: Final = tuple(
    select(column).where(column >= bindparam("since"), column < bindparam("until")).limit(1)
    for column in (_OF.at_ts, table_of(HourUse).c.at_ts)
)
_OPENS: Final[Any] = bindparam("opens")
_CLOSES: Final[Any] = bindparam("closes")
_SECONDS: Final = pod_use.seconds_within(_OPENS, _CLOSES)
"""The part of a minute that was held."""
_SCALED: Final = _OF.utilization_pct * cast(bindparam("scale"), Float)
_BUSY: Final = case((_SCALED > _PCT, _PCT), else_=_SCALED)
_MEASURED: Final = select(func.sum(_SECONDS), func.sum(_SECONDS * _BUSY)).where(
    _OF.device_id == bindparam("device"),
    _OF.gpu_instance_id == bindparam("instance"),
    _OF.at_ts > _OPENS - MINUTE,
    _OF.at_ts < _CLOSES,
    _OF.utilization_samples >= bindparam("least"),
)

Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Claim:
    """A hold, as far as it says whose work it was; `instance` None: not known which.

    `pod` is the UID of the pod that uses it; None: none is known.
    """

    hold: int
    device: int
    instance: int | None
    is_share: bool
    milli: int
    since: int
    until: int | None
    pod: str | None = None

    def within(self, span: Span) -> Span:
        """Return the part of `span` that was held; empty where its end is not after its start."""
        until = span[1] if self.until is None else min(self.until, span[1])
        return max(self.since, span[0]), until


def uses(
    session: Session,
    spans: Sequence[Span],
    *,
    interval_seconds: int,
    devices: Collection[int] | None = None,
    most: int | None = None,
) -> dict[tuple[int, int], Use]:
    """Return the split of every hold in each of some spans, by hold and the span's place.

    A hold that is not in the answer is unattributed as a whole. Holds that last through a whole
    span are split together; with more than `most` others the answer is empty: so many are split
    when their day is closed, not while somebody waits.
    """
    if not spans or not _is_measured(session, spans):
        return {}
    claims = _claims(session, (spans[0][0], spans[-1][1]), devices)
    beside: dict[int, list[Claim]] = defaultdict(list)
    for claim in claims:
        beside[claim.device].append(claim)
    least = least_samples(interval_seconds)
    single: list[tuple[Claim, int, Span]] = []
    hours = [whole_hours(session, span, least) for span in spans]
    found: dict[tuple[int, int], Use] = {}
    for place, span in enumerate(spans):
        through, others = _sorted_out(claims, span)
        found |= _together(session, through, place, span, least, hours=hours[place])
        single += [(claim, place, part) for claim, part in others]
    if most is not None and len(single) > most:
        return {}
    for claim, place, part in single:
        there = beside[claim.device]
        found[claim.hold, place] = _split(session, claim, part, there, least, hours=hours[place])
    return found


def _sorted_out(
    claims: Sequence[Claim], span: Span
) -> tuple[list[Claim], list[tuple[Claim, Span]]]:
    """Return the holds that last through a span, if they are many, and the parts of the others."""
    parts = [(claim, claim.within(span)) for claim in claims if claim.instance is not None]
    through = [claim for claim, part in parts if part == span and not claim.is_share]
    if len(through) < _MANY:
        through = []
    taken = {claim.hold for claim in through}
    others = [
        (claim, part) for claim, part in parts if part[0] < part[1] and claim.hold not in taken
    ]
    return through, others


def _together(
    session: Session, claims: Sequence[Claim], place: int, span: Span, least: int, *, hours: Span
) -> dict[tuple[int, int], Use]:
    if not claims:
        return {}
    found = measured(session, span, least=least, hours=hours)
    uses_of = {}
    for claim in claims:
        assert claim.instance is not None  # noqa: S101 - those without are sorted out
        there = found.get((claim.device, claim.instance), Measured())
        used = there.busy * claim.milli / _PCT
        uses_of[claim.hold, place] = _use(claim, span, there.seconds, used, stray=0)
    return uses_of


def alone(claim: Claim, others: Sequence[Claim], span: Span) -> list[Span]:
    """Return the parts of `span` in which what was measured is the claim's own."""
    if not claim.is_share:
        return [span]
    taken = sorted(
        other.within(span) for other in others if other is not claim and other.hold != claim.hold
    )
    parts, opens = [], span[0]
    for since, until in taken:
        if since >= until:
            continue
        if since > opens:
            parts.append((opens, since))
        opens = max(opens, until)
    if opens < span[1]:
        parts.append((opens, span[1]))
    return parts


def _split(
    session: Session, claim: Claim, span: Span, there: Sequence[Claim], least: int, *, hours: Span
) -> Use:
    parts = alone(claim, there, span)
    if claim.is_share:
        # What counts of a minute is cut at the whole of the share: hours do not tell it.
        hours = (hours[1], hours[1])
    seconds, busy = _measured(session, claim, parts, least, hours)
    used = busy * claim.milli / _PCT
    stray = 0
    if claim.is_share:
        more = _beside(session, claim, there, pod_use.rest(parts, span), least)
        seconds, used, stray = seconds + more.seconds, used + more.used, more.stray
    return _use(claim, span, seconds, used, stray=stray)


def _use(claim: Claim, span: Span, seconds: int, used: float, *, stray: int) -> Use:
    """Return the split of a hold of which `seconds` were measured."""
    held = (span[1] - span[0]) * claim.milli
    seen = min(seconds * claim.milli, held)
    in_use = min(int(used), seen)
    idle = max(0, seen - in_use - stray)
    return Use(in_use, idle, held - in_use - idle)


def _measured(
    session: Session, claim: Claim, parts: Sequence[Span], least: int, hours: Span
) -> tuple[int, float]:
    """Return the seconds that were measured, and the same times the percentage of each."""
    assert claim.instance is not None  # noqa: S101 - those without are sorted out
    seconds, busy = 0, 0.0
    for part in parts:
        whole = _rounded(part, hours)
        stretches = [part]
        if whole[0] < whole[1]:
            stretches = [(part[0], whole[0]), (whole[1], part[1])]
            there = of_hours(session, (claim.device, claim.instance), whole)
            seconds, busy = seconds + there.seconds, busy + there.busy
        for opens, closes in stretches:
            if opens < closes:
                more = _of_minutes(session, claim, (opens, closes), least)
                seconds, busy = seconds + more.seconds, busy + more.busy
    return seconds, busy


def _rounded(part: Span, hours: Span) -> Span:
    """Return the whole hours of a part that can be read as such."""
    first, last = max(part[0], hours[0]), min(part[1], hours[1])
    return -(-first // HOUR) * HOUR, last // HOUR * HOUR


def _of_minutes(session: Session, claim: Claim, span: Span, least: int) -> Measured:
    told = {
        "device": claim.device,
        "instance": claim.instance,
        "opens": span[0],
        "closes": span[1],
        "scale": _WHOLE_MILLI / claim.milli if claim.is_share else 1.0,
        "least": least,
    }
    row = session.connection().execute(_MEASURED, told).one()
    return Measured(int(row[0] or 0), float(row[1] or 0))


def _beside(
    session: Session, claim: Claim, there: Sequence[Claim], spans: Sequence[Span], least: int
) -> pod_use.Beside:
    known = sorted({one.pod for one in there if one.pod is not None})
    share = pod_use.Share(claim.device, WHOLE, claim.milli, claim.pod, known)
    return pod_use.beside(session, share, spans, least=least)


def _is_measured(session: Session, spans: Sequence[Span]) -> bool:
    told = {"since": spans[0][0] - HOUR, "until": spans[-1][1]}
    return any(session.connection().execute(query, told).first() is not None for query in _ANY)


def _claims(session: Session, span: Span, devices: Collection[int] | None) -> list[Claim]:
    query: AnySelect = (
        select(
            Hold.id,
            Hold.device_id,
            Hold.kind,
            Hold.milli,
            Hold.started_at,
            Hold.ended_at,
            MigInstance.gpu_instance_id,
            Allocation.pod_uid,
        )
        .outerjoin(MigInstance, MigInstance.id == Hold.mig_instance_id)
        .outerjoin(Allocation, Allocation.allocation_id == Hold.allocation_id)
        .where(
            effective(),
            Hold.started_at < datetime.fromtimestamp(span[1], UTC),
            or_(Hold.ended_at.is_(None), Hold.ended_at > datetime.fromtimestamp(span[0], UTC)),
        )
        .order_by(Hold.id)
    )
    if devices is not None:
        query = query.where(Hold.device_id.in_(devices))
    return [_claim(row) for row in session.connection().execute(query)]


def _claim(row: AnyRow) -> Claim:
    return Claim(
        hold=row.id,
        device=row.device_id,
        instance=row.gpu_instance_id if row.kind is HoldKind.MIG else WHOLE,
        is_share=row.kind is HoldKind.SHARE,
        milli=row.milli,
        since=int(row.started_at.timestamp()),
        until=None if row.ended_at is None else int(row.ended_at.timestamp()),
        pod=row.pod_uid,
    )
