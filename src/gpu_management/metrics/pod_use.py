"""What shares used while others were on the same GPU: from what each pod's processes did.

A pod's use is its holder's. What a pod did that is nobody's we know of may be of any of the
holders, so of each of them as much as it can have been is left unattributed: never called idle,
never billed to somebody as used.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any, Final

from sqlalchemy import ColumnElement, Float, Integer, and_, bindparam, case, cast, func, or_, select
from sqlalchemy.orm import Session

from gpu_management.core.database import table_of
from gpu_management.metrics.models import MinuteUse, PodMinute

MINUTE: Final = 60
_MILLI_A_PERCENT: Final = 10.0
_OF: Final = table_of(MinuteUse).c
_POD: Final = table_of(PodMinute).c
_OPENS: Final[Any] = bindparam("opens", type_=Integer)
_CLOSES: Final[Any] = bindparam("closes", type_=Integer)
_MILLI: Final[Any] = cast(bindparam("milli", type_=Integer), Float)
_OWN_UID: Final[Any] = bindparam("own")
_KNOWN_UIDS: Final[Any] = bindparam("known", expanding=True)


@dataclass(frozen=True, slots=True)
class Beside:
    """What of a share's time beside others was used, may have been, and was measured at all.

    All in milli-GPU-seconds but `seconds`, which were measured.
    """

    seconds: int = 0
    used: int = 0
    stray: int = 0

    def __add__(self, other: "Beside") -> "Beside":
        """Add part by part."""
        return Beside(
            self.seconds + other.seconds, self.used + other.used, self.stray + other.stray
        )


def seconds_within(opens: ColumnElement[Any], closes: ColumnElement[Any]) -> ColumnElement[Any]:
    """Return the part of a minute of `MinuteUse` that lies in [opens, closes)."""
    return case(
        ((_OF.at_ts < opens) & (_OF.at_ts + MINUTE > closes), closes - opens),
        (_OF.at_ts < opens, _OF.at_ts + MINUTE - opens),
        (_OF.at_ts + MINUTE > closes, closes - _OF.at_ts),
        else_=MINUTE,
    )


def _at_most(value: ColumnElement[Any], most: ColumnElement[Any]) -> ColumnElement[Any]:
    return case((value > most, most), else_=value)


_IS_OWN: Final = _POD.pod_uid == _OWN_UID
_IS_STRAY: Final = _POD.pod_uid.not_in(_KNOWN_UIDS)
_TOLD: Final = func.coalesce(_POD.busy_pct, 0.0) * _POD.busy_samples
_PODS: Final = (
    select(
        _POD.at_ts,
        func.sum(case((_IS_OWN, _TOLD), else_=0.0)).label("own"),
        func.sum(case((_IS_STRAY, _TOLD), else_=0.0)).label("stray"),
        func.sum(case((or_(_IS_OWN, _IS_STRAY), _POD.samples - _POD.busy_samples), else_=0)).label(
            "blind"
        ),
    )
    .where(
        _POD.device_id == bindparam("device"),
        _POD.gpu_instance_id == bindparam("instance"),
        _POD.at_ts > _OPENS - MINUTE,
        _POD.at_ts < _CLOSES,
    )
    .group_by(_POD.at_ts)
    .subquery("pods")
)
_USED: Final = _at_most(func.coalesce(_PODS.c.own, 0.0) * _MILLI_A_PERCENT / _OF.samples, _MILLI)
_STRAY: Final = _at_most(
    func.coalesce(_PODS.c.stray, 0.0) * _MILLI_A_PERCENT / _OF.samples, _MILLI - _USED
)
_LAY_STILL: Final = and_(
    _PODS.c.at_ts.is_(None),
    _OF.utilization_samples >= bindparam("least"),
    _OF.utilization_pct_max <= 0,
)
"""Nobody's processes were seen and the GPU did nothing: nobody on it did anything."""
_SECONDS: Final = seconds_within(_OPENS, _CLOSES)
_ASKED: Final = (
    select(func.sum(_SECONDS), func.sum(_SECONDS * _USED), func.sum(_SECONDS * _STRAY))
    .select_from(table_of(MinuteUse).outerjoin(_PODS, _PODS.c.at_ts == _OF.at_ts))
    .where(
        _OF.device_id == bindparam("device"),
        _OF.gpu_instance_id == bindparam("instance"),
        _OF.at_ts > _OPENS - MINUTE,
        _OF.at_ts < _CLOSES,
        _OF.samples >= bindparam("least"),
        or_(_PODS.c.blind == 0, _LAY_STILL),
    )
)


@dataclass(frozen=True, slots=True)
class Share:
    """A share of a GPU; `pods` are all pods of holders known to be on it, `own` its own."""

    device: int
    instance: int
    milli: int
    own: str | None
    pods: Sequence[str]


def beside(
    session: Session, share: Share, spans: Iterable[tuple[int, int]], *, least: int
) -> Beside:
    """Return what a share used in spans in which others were on its GPU; `least` samples a minute.

    A minute in which it is not known what its own pod did, or a pod that is nobody's, is not
    measured.
    """
    found = Beside()
    for opens, closes in spans:
        told = {
            "device": share.device,
            "instance": share.instance,
            "milli": share.milli,
            "own": share.own or "",
            "known": sorted(share.pods),
            "opens": opens,
            "closes": closes,
            "least": least,
        }
        seconds, used, stray = session.connection().execute(_ASKED, told).one()
        found += Beside(int(seconds or 0), int(used or 0), ceil(stray or 0))
    return found


def rest(parts: Sequence[tuple[int, int]], span: tuple[int, int]) -> list[tuple[int, int]]:
    """Return what of `span` lies between `parts`, which are in order and within it."""
    found, opens = [], span[0]
    for since, until in parts:
        if since > opens:
            found.append((opens, since))
        opens = until
    if opens < span[1]:
        found.append((opens, span[1]))
    return found
