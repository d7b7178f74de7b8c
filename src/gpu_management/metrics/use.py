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

from gpu_management.allocations.models import Hold, HoldKind
from gpu_management.allocations.queries import effective
from gpu_management.core.database import AnyRow, AnySelect, table_of
from gpu_management.metrics.attribution import Use
from gpu_management.metrics.combine import WHOLE
from gpu_management.metrics.models import MinuteUse
from gpu_management.mig.models import MigInstance

MINUTE: Final = 60
_WHOLE_MILLI: Final = 1000
_PCT: Final = 100.0
_OF: Final = table_of(MinuteUse).c
_ANY: Final = (
    select(_OF.at_ts)
    .where(_OF.at_ts >= bindparam("since"), _OF.at_ts < bindparam("until"))
    .limit(1)
)
_OPENS: Final[Any] = bindparam("opens")
_CLOSES: Final[Any] = bindparam("closes")
_SECONDS: Final = case(
    ((_OF.at_ts < _OPENS) & (_OF.at_ts + MINUTE > _CLOSES), _CLOSES - _OPENS),
    (_OF.at_ts < _OPENS, _OF.at_ts + MINUTE - _OPENS),
    (_OF.at_ts + MINUTE > _CLOSES, _CLOSES - _OF.at_ts),
    else_=MINUTE,
)
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
    """A hold, as far as it says whose work it was; `instance` None: not known which."""

    hold: int
    device: int
    instance: int | None
    is_share: bool
    milli: int
    since: int
    until: int | None

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

    A hold that is not in the answer is unattributed as a whole. With more than `most` holds the
    answer is empty: so many are split when their day is closed, not while somebody waits.
    """
    if not spans or not _is_measured(session, spans):
        return {}
    claims = _claims(session, (spans[0][0], spans[-1][1]), devices)
    if most is not None and len(claims) > most:
        return {}
    beside: dict[int, list[Claim]] = defaultdict(list)
    for claim in claims:
        beside[claim.device].append(claim)
    least = max(1, -(-MINUTE // (2 * interval_seconds)))
    found: dict[tuple[int, int], Use] = {}
    for claim in claims:
        for place, span in enumerate(spans):
            opens, closes = claim.within(span)
            if opens < closes and claim.instance is not None:
                parts = alone(claim, beside[claim.device], (opens, closes))
                found[claim.hold, place] = _split(session, claim, (opens, closes), parts, least)
    return found


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


def _split(session: Session, claim: Claim, span: Span, parts: Sequence[Span], least: int) -> Use:
    measured, busy = 0, 0.0
    scale = _WHOLE_MILLI / claim.milli if claim.is_share else 1.0
    for opens, closes in parts:
        told = {
            "device": claim.device,
            "instance": claim.instance,
            "opens": opens,
            "closes": closes,
            "scale": scale,
            "least": least,
        }
        row = session.connection().execute(_MEASURED, told).one()
        measured += int(row[0] or 0)
        busy += float(row[1] or 0)
    held = (span[1] - span[0]) * claim.milli
    seen = min(measured * claim.milli, held)
    used = min(int(busy * claim.milli / _PCT), seen)
    return Use(used, seen - used, held - seen)


def _is_measured(session: Session, spans: Sequence[Span]) -> bool:
    told = {"since": spans[0][0] - MINUTE, "until": spans[-1][1]}
    return session.connection().execute(_ANY, told).first() is not None


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
        )
        .outerjoin(MigInstance, MigInstance.id == Hold.mig_instance_id)
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
    )
