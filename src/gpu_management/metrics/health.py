"""The health of GPUs: judge what is measured, keep the verdicts, act on certainty."""

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Allocation, Hold
from gpu_management.core.database import AnyRow, Database, in_parts
from gpu_management.core.logs import get_logger
from gpu_management.core.paging import Listing, Page, page_of_rows
from gpu_management.devices import service as devices
from gpu_management.devices.catalog import ThermalLimits, load_models
from gpu_management.devices.health import Finding, Judgement, Verdict, Vitals, judge
from gpu_management.devices.models import Device, DeviceHealth, DeviceState, Node
from gpu_management.events import service as events
from gpu_management.metrics.latest import Latest
from gpu_management.metrics.questions import Now
from gpu_management.metrics.store import MetricsUnavailable

log = get_logger(__name__)

ACTOR: Final = "health"
_UNMEASURED: Final = "unmeasured"
_OF_HEAT: Final = frozenset({"hot", "throttled"})
_HEAT_STAYS: Final = timedelta(minutes=5)
"""So long a verdict stays that heat caused: temperatures come and go."""
_GPUS: Final = (
    select(Device.id, Device.device_id, Device.model_id, Device.state, Node.node_name)
    .join(Node, Node.id == Device.node_id)
    .where(Device.live_id.is_not(None))
)
_KNOWN: Final = select(
    DeviceHealth.device_id, DeviceHealth.verdict, DeviceHealth.findings, DeviceHealth.changed_at
)
_GRAVITY: Final = (Verdict.FAILING, Verdict.SUSPECT, Verdict.UNKNOWN, Verdict.HEALTHY)


@dataclass(frozen=True, slots=True)
class _Kept:
    """A verdict as it was written: what it was, on what evidence, and when."""

    verdict: Verdict
    codes: tuple[str, ...]
    changed_at: datetime


@dataclass(slots=True)
class HealthWatch:
    """Judges all GPUs on a timer; errors (XID) in `fail_on` are certainty, the rest suspicion."""

    database: Database
    latest: Latest
    fail_on: frozenset[int] = frozenset()
    _violations: dict[int, tuple[int, float, float | None]] = field(default_factory=dict)

    def run(self, now: datetime) -> int:
        """Judge every GPU once; return how many verdicts changed.

        Where measurements cannot be read, every verdict stays as it is.
        """
        with self.database.read() as session:
            rows = session.connection().execute(_GPUS).all()
            known = _known(session)
            try:
                self.latest.all(session, now=now)
            except MetricsUnavailable as away:
                log.warning("GPU health is not judged: %s", away)
                return 0
            figures = self.latest.gpus(session, now=now)
        judged = self._judged(rows, figures, known)
        changed = {
            pk: told
            for pk, told in judged.items()
            if pk not in known or _differs(known[pk], told, now=now)
        }
        if changed:
            by_pk = {row.id: row for row in rows}
            with self.database.write() as session:
                for pk, told in sorted(changed.items()):
                    self._write(session, by_pk[pk], told, known.get(pk), now=now)
        return len(changed)

    def _judged(
        self, rows: Sequence[AnyRow], figures: Mapping[int, Now], known: Mapping[int, _Kept]
    ) -> dict[int, Judgement]:
        limits = {model.model_id: model.thermal for model in load_models()}
        answering = {row.node_name for row in rows if row.id in figures}
        return {
            row.id: self._one(
                row,
                figures.get(row.id),
                known.get(row.id),
                limits.get(row.model_id),
                node_answers=row.node_name in answering,
            )
            for row in rows
        }

    def _one(
        self,
        row: AnyRow,
        figures: Now | None,
        before: _Kept | None,
        limits: ThermalLimits | None,
        *,
        node_answers: bool,
    ) -> Judgement:
        if figures is None:
            was_measured = before is not None and _UNMEASURED not in before.codes
            vitals = Vitals(
                is_measured=False,
                node_answers=node_answers,
                was_ever_measured=was_measured,
                last_xid=_last_xid(before),
            )
            return judge(vitals, limits)
        vitals = Vitals(
            is_measured=True,
            node_answers=True,
            temperature_celsius=figures.temperature_celsius,
            last_xid=figures.last_xid,
            double_bit=figures.ecc_double_bit,
            remap_failed=figures.remap_failed,
            throttled_ratio=self._throttled(row.id, figures),
        )
        return judge(vitals, limits)

    def _throttled(self, pk: int, figures: Now) -> float | None:
        """The part of the time since the last look in which heat held clocks down."""
        held = figures.thermal_violation_ns
        if held is None:
            return None
        at, counted, ratio = self._violations.get(pk, (figures.at, held, None))
        if figures.at > at:
            ratio = (held - counted) / 1e9 / (figures.at - at) if held >= counted else None
        self._violations[pk] = (figures.at, held, ratio)
        return ratio

    def _write(
        self,
        session: Session,
        row: AnyRow,
        told: Judgement,
        before: _Kept | None,
        *,
        now: datetime,
    ) -> None:
        was = None if before is None else before.verdict
        keep(session, row.id, told, before_verdict=was, now=now)
        is_first_silence = before is None and told.verdict in {Verdict.HEALTHY, Verdict.UNKNOWN}
        if not is_first_silence:
            say(session, row.id, row.device_id, told, now=now)
        new = [one for one in told.findings if before is None or one.code not in before.codes]
        for code in sorted(self.fail_on):
            certain = next((one for one in new if one.code == f"xid-{code}"), None)
            if certain is not None:
                _fail(session, row.id, certain, now=now)
                return


def _known(session: Session) -> dict[int, _Kept]:
    return {
        pk: _Kept(verdict, tuple(one["code"] for one in findings), changed_at)
        for pk, verdict, findings, changed_at in session.connection().execute(_KNOWN)
    }


def _differs(before: _Kept, told: Judgement, *, now: datetime) -> bool:
    """Whether a verdict is news; what heat caused is not taken back within minutes."""
    codes = tuple(one.code for one in told.findings)
    if (before.verdict, before.codes) == (told.verdict, codes):
        return False
    is_better = set(codes) < set(before.codes)
    was_heat = bool(_OF_HEAT & (set(before.codes) - set(codes)))
    return not (is_better and was_heat and now - before.changed_at < _HEAT_STAYS)


def _last_xid(before: _Kept | None) -> int | None:
    """The error a GPU told of before it fell silent."""
    codes = () if before is None else before.codes
    return next((int(code[4:]) for code in codes if code.startswith("xid-")), None)


def keep(
    session: Session,
    device_pk: int,
    told: Judgement,
    *,
    before_verdict: Verdict | None,
    now: datetime,
) -> None:
    """Write a verdict with its evidence."""
    row = session.get(DeviceHealth, device_pk)
    if row is None:
        row = DeviceHealth(device_id=device_pk, since=now)
        session.add(row)
    elif before_verdict is not told.verdict:
        row.since = now
    row.verdict, row.changed_at = told.verdict, now
    row.findings = [_shown(one) for one in told.findings]


def _shown(finding: Finding) -> dict[str, Any]:
    return {
        "code": finding.code,
        "verdict": finding.verdict.value,
        "message": finding.message,
        "facts": dict(finding.facts),
    }


def say(
    session: Session, device_pk: int, device_id: str, told: Judgement, *, now: datetime
) -> None:
    """Write an event about a verdict, naming the allocations it may touch."""
    events.record(
        session,
        "device.health",
        subject_kind="device",
        subject_id=device_id,
        data={
            "deviceId": device_id,
            "verdict": told.verdict.value,
            "findings": [_shown(one) for one in told.findings],
            "allocations": affected(session, [device_pk]).get(device_pk, []),
        },
        now=now,
    )


def _fail(session: Session, device_pk: int, finding: Finding, *, now: datetime) -> None:
    """Take a GPU out of service; what holds it goes on, nothing new is placed."""
    device = session.get_one(Device, device_pk)
    if device.state is DeviceState.READY:
        devices.set_state(
            session, device, DeviceState.FAILED, reason=finding.message, actor=ACTOR, now=now
        )


def affected(session: Session, device_pks: Iterable[int]) -> dict[int, list[str]]:
    """Return the allocations that hold a part of each GPU now."""
    keys = sorted(set(device_pks))
    found: dict[int, list[str]] = defaultdict(list)
    query = (
        select(Hold.device_id, Allocation.allocation_id)
        .join(Allocation, Allocation.allocation_id == Hold.allocation_id)
        .where(Hold.ended_at.is_(None))
        .order_by(Hold.id)
    )
    for some in in_parts(keys):
        rows = session.connection().execute(query.where(Hold.device_id.in_(some)))
        for pk, allocation_id in rows:
            found[pk].append(allocation_id)
    return found


def verdict_on(session: Session, device_pk: int) -> dict[str, Any]:
    """Return the verdict on a GPU, its evidence, and the allocations it may touch."""
    row = session.get(DeviceHealth, device_pk)
    return {
        "verdict": Verdict.UNKNOWN if row is None else row.verdict,
        "verdict_since": None if row is None else row.since,
        "findings": [] if row is None else row.findings,
        "allocations": affected(session, [device_pk]).get(device_pk, []),
    }


def list_health(session: Session, verdict: Verdict | None, *, page: Page) -> Listing:
    """Return the verdicts on all GPUs, the gravest first, or those on which it is `verdict`."""
    query = (
        select(
            Device.id,
            Device.device_id,
            Device.state,
            Node.node_name,
            DeviceHealth.verdict,
            DeviceHealth.findings,
            DeviceHealth.since,
        )
        .join(Node, Node.id == Device.node_id)
        .outerjoin(DeviceHealth, DeviceHealth.device_id == Device.id)
        .where(Device.live_id.is_not(None))
    )
    rows = [
        {
            "id": pk,
            "device_id": device_id,
            "node_name": node,
            "state": state,
            "verdict": told or Verdict.UNKNOWN,
            "verdict_since": since,
            "findings": findings or [],
        }
        for pk, device_id, state, node, told, findings, since in session.execute(query)
        if verdict is None or (told or Verdict.UNKNOWN) is verdict
    ]
    rows.sort(key=lambda row: (_GRAVITY.index(row["verdict"]), row["device_id"]))
    found = page_of_rows(rows, page)
    held = affected(session, (row["id"] for row in found.rows))
    for row in found.rows:
        row["allocations"] = held.get(row["id"], [])
    return found
