"""The verbs of statements: what a month costs each team, and closing it for ever."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from sqlalchemy import exists, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import Session

from gpu_management.allocations.models import Allocation, Hold, HoldCorrection
from gpu_management.auth import service as auth
from gpu_management.auth.access import Permission, check, visible_team
from gpu_management.auth.models import Team
from gpu_management.auth.principals import Principal
from gpu_management.core.clock import whole_second
from gpu_management.core.database import MICROS, table_of
from gpu_management.costs import months, queries
from gpu_management.costs.errors import MonthNotClosable, StatementNotFound
from gpu_management.costs.models import BillingMonth, StatementLine
from gpu_management.costs.months import Figures, Frame, Line, Payer
from gpu_management.costs.pieces import cut
from gpu_management.costs.service import Desk
from gpu_management.events import service as events

UNASSIGNED = "unassigned"
"""How what belongs to no team is called."""

_NAMED = 20
"""How many teams a refusal names at the most."""
_NOT_FOR_ALL = "*"
"""A namespace that nobody has: what belongs to no team and no namespace is shown to everybody."""


@dataclass(frozen=True, slots=True)
class Bill:
    """A month with its lines, as it was closed or as it stands; `until` is how far they go."""

    frame: Frame
    lines: Sequence[Line]
    as_of: datetime
    closed: BillingMonth | None

    @property
    def teams(self) -> list[str]:
        """Return the teams on it, by name; nobody's first."""
        return sorted({line.payer.team_id for line in self.lines})

    def names_team(self, name: str) -> bool:
        """Say whether a team is on it; nobody may always be asked for."""
        return name == UNASSIGNED or bool(self.of_team(name))

    def of_team(self, name: str) -> list[Line]:
        """Return the lines of one team; `unassigned` is what belongs to none."""
        names = {"", UNASSIGNED} if name == UNASSIGNED else {name}
        return [line for line in self.lines if line.payer.team_id in names]


def bill(session: Session, desk: Desk, month: str, *, now: datetime) -> Bill:
    """Return a month: closed ones as they were closed, open ones as they stand now.

    Raises:
        ValidationFailed: no month is written like that.
        StatementNotFound: it has not begun.
    """
    months.check_month(month)
    chain = _chain(session)
    if month in chain:
        row = session.get_one(BillingMonth, month)
        return Bill(chain[month], _frozen(session, month), row.closed_at, row)
    frame = _open_frame(desk, chain, month)
    as_of = min(whole_second(now), frame.until)
    if as_of <= frame.since:
        raise StatementNotFound(f"{month} has not begun")
    owed = {}
    if chain and month == months.following(max(chain)):
        owed = _owed(session, desk, chain, only=_corrected(session, chain))
    usage = _usage(session, desk, frame.since, as_of)
    return Bill(frame, months.in_order(month, usage, owed), as_of, None)


def _chain(session: Session) -> dict[str, Frame]:
    """Return the closed months, oldest first; each begins where the one before it ended."""
    frames: dict[str, Frame] = {}
    ended: datetime | None = None
    for row in session.scalars(select(BillingMonth).order_by(BillingMonth.month)):
        zone = ZoneInfo(row.timezone)
        until = months.starts(months.following(row.month), zone)
        since = ended or months.starts(row.month, zone)
        frames[row.month] = Frame(row.month, since, until, row.currency, row.timezone)
        ended = until
    return frames


def _open_frame(desk: Desk, chain: dict[str, Frame], month: str) -> Frame:
    before = max((known for known in chain if known < month), default=None)
    is_next = before is not None and months.following(before) == month
    since = chain[before].until if before and is_next else months.starts(month, desk.zone)
    until = months.starts(months.following(month), desk.zone)
    return Frame(month, since, until, desk.currency, desk.zone.key)


def _usage(session: Session, desk: Desk, since: datetime, until: datetime) -> dict[Payer, Figures]:
    """Return what every payer held and was charged in [since, until), by the present ledger."""
    rows = queries.holds_within(session, since, until)
    pricer = queries.Pricer(desk.keeper.book(session))
    bounds = [queries.second(since), queries.second(until)]
    sums: dict[Payer, list[int]] = defaultdict(lambda: [0, 0, 0])
    for piece in cut([pricer.held(row) for row in rows], bounds):
        row = rows[piece.hold]
        into = sums[_payer(row)]
        into[0] += piece.milli_seconds
        into[1] += piece.unpriced
        into[2] += piece.micros
    return {payer: Figures(*found) for payer, found in sums.items()}


def _payer(row: Any) -> Payer:
    kind = row.workload_type
    return Payer(
        row.team_id or "",
        row.user_id or "",
        row.namespace or "",
        row.model_id,
        row.profile_name or "",
        "" if kind is None else str(getattr(kind, "value", kind)),
    )


def _frozen(session: Session, month: str) -> list[Line]:
    query = select(StatementLine).where(StatementLine.month == month)
    return [_line(row) for row in session.scalars(query.order_by(StatementLine.position))]


def _line(row: StatementLine) -> Line:
    figures = Figures(row.milli_seconds, row.unpriced_milli_seconds, row.micros)
    return Line(row.kind, row.origin_month, _payer(row), figures)


def _owed(
    session: Session, desk: Desk, chain: dict[str, Frame], *, only: set[str] | None = None
) -> dict[str, dict[Payer, Figures]]:
    """Return what closed months lack by the present ledger, beyond adjustments already billed."""
    owed = {}
    for month, frame in chain.items():
        if only is not None and month not in only:
            continue
        query = select(StatementLine).where(StatementLine.origin_month == month)
        billed = months.added(_line(row) for row in session.scalars(query))
        lacking = months.differences(_usage(session, desk, frame.since, frame.until), billed)
        if lacking:
            owed[month] = lacking
    return owed


def _corrected(session: Session, chain: dict[str, Frame]) -> set[str]:
    """Return the closed months that a correction touches."""
    query = select(Hold.started_at, Hold.ended_at, Hold.corrects_id).join(
        HoldCorrection, HoldCorrection.hold_id == Hold.id
    )
    stretches = []
    for row in session.execute(query):
        old = session.get_one(Hold, row.corrects_id)
        ends = [row.ended_at or old.ended_at, old.ended_at or row.ended_at]
        stretches.append((min(row.started_at, old.started_at), max(filter(None, ends))))
    return {
        month
        for month, frame in chain.items()
        if any(since < frame.until and until > frame.since for since, until in stretches)
    }


def close(
    session: Session, desk: Desk, month: str, *, principal: Principal, now: datetime
) -> BillingMonth:
    """Freeze a month with what earlier ones lack; a month closed before is answered as it is.

    Raises:
        ValidationFailed: no month is written like that.
        MonthNotClosable: it is not over, or another has to be closed before.
    """
    check(principal, Permission.BILLING_WRITE)
    months.check_month(month)
    chain = _chain(session)  # before the look below: whoever closes in between is seen by it
    known = session.get(BillingMonth, month)
    if known is not None:
        return known
    frame = _open_frame(desk, chain, month)
    _check_closable(session, desk, chain, frame, now=now)
    owed = _owed(session, desk, chain)
    usage = _usage(session, desk, frame.since, frame.until)
    lines = months.in_order(month, usage, owed)
    row = _row(frame, lines, principal=principal, now=now)
    try:
        with session.begin_nested():
            session.add(row)
            session.flush()
            if lines:
                session.execute(insert(table_of(StatementLine)), _rows(month, lines))
    except IntegrityError:  # somebody closed it meanwhile
        return session.get_one(BillingMonth, month, populate_existing=True)
    _tell(session, row, principal=principal, now=now)
    return row


def _check_closable(
    session: Session, desk: Desk, chain: dict[str, Frame], frame: Frame, *, now: datetime
) -> None:
    if whole_second(now) < frame.until:
        raise MonthNotClosable(
            f"{frame.month} ends at {frame.until:%Y-%m-%dT%H:%M:%SZ} ({frame.timezone});"
            " close it after that"
        )
    if chain:
        due = months.following(max(chain))
    else:
        first = session.scalar(select(func.min(Hold.started_at)))
        due = frame.month if first is None else months.month_at(first, desk.zone)
    if frame.month > due or (chain and frame.month < due):
        raise MonthNotClosable(
            f"months are closed one after the other; close {due} first"
            if frame.month > due
            else f"{frame.month} lies before {min(chain)}, with which billing began",
            nextMonth=due,
        )
    foreign = {known.currency for known in chain.values()} - {frame.currency}
    if foreign:
        raise MonthNotClosable(
            f"closed months are in {min(foreign)}, billing.currency is {frame.currency};"
            " one ledger has one currency"
        )


def _row(
    frame: Frame, lines: Sequence[Line], *, principal: Principal, now: datetime
) -> BillingMonth:
    return BillingMonth(
        month=frame.month,
        closed_at=now,
        closed_by=principal.name[:120],
        currency=frame.currency,
        timezone=frame.timezone,
        total=Decimal(sum(line.figures.micros for line in lines)) / MICROS,
        line_count=len(lines),
        fingerprint=months.fingerprint(frame, lines),
    )


def _rows(month: str, lines: Sequence[Line]) -> list[dict[str, Any]]:
    return [
        {
            "month": month,
            "position": position,
            "kind": line.kind,
            "origin_month": line.origin_month,
            **{name: value or None for name, value in asdict(line.payer).items()},
            "milli_seconds": line.figures.milli_seconds,
            "unpriced_milli_seconds": line.figures.unpriced,
            "micros": line.figures.micros,
        }
        for position, line in enumerate(lines)
    ]


def _tell(session: Session, row: BillingMonth, *, principal: Principal, now: datetime) -> None:
    facts = {
        "month": row.month,
        "total": float(row.total),
        "currency": row.currency,
        "lines": row.line_count,
        "fingerprint": row.fingerprint,
    }
    events.record(
        session,
        "billing.closed",
        subject_kind="month",
        subject_id=row.month,
        data=facts,
        now=now,
        namespace=_NOT_FOR_ALL,
    )
    auth.record(
        session,
        principal,
        action="billing.close",
        target_kind="month",
        target_id=row.month,
        after=facts,
        now=now,
    )


def check_known(session: Session, bill: Bill, team: str, *, principal: Principal) -> None:
    """Refuse a name that is neither on the bill, nor a team, nor the caller's, nor ever asked.

    Raises:
        StatementNotFound: nobody is called so.
    """
    if bill.names_team(team) or team == principal.team or session.get(Team, team) is not None:
        return
    if session.scalar(exists().where(Allocation.team_id == team).select()):
        return
    there = ", ".join(filter(None, bill.teams[:_NAMED])) or "none"
    raise StatementNotFound(f"no team is called {team}; on the bill of {bill.frame.month}: {there}")


def check_sees(principal: Principal, team: str) -> None:
    """Let a caller read the statement of a team.

    Raises:
        StatementNotFound: it is another team's, and the caller does not read all costs.
    """
    visible = visible_team(principal, Permission.COST_READ)
    if visible is not None and (team != visible or not team):
        raise StatementNotFound(f"there is no statement of {team} that you may read")


def calendar(session: Session, desk: Desk, *, now: datetime) -> list[Frame]:
    """Return every month from the first use to the present one, newest first."""
    chain = _chain(session)
    first = session.scalar(select(func.min(Hold.started_at)))
    starts = [months.month_at(first, desk.zone)] if first is not None else []
    month = min([*chain, *starts], default=months.month_at(now, desk.zone))
    found = []
    while month <= months.month_at(now, desk.zone):
        found.append(chain.get(month) or _open_frame(desk, chain, month))
        month = months.following(month)
    return found[::-1]


def billed_to(session: Session, team: str) -> dict[str, tuple[int, int]]:
    """Return by closed month what a team was billed: micros, and the number of lines."""
    sums = (func.sum(StatementLine.micros), func.count())
    query = select(StatementLine.month, *sums).where(StatementLine.team_id == team)
    found = session.execute(query.group_by(StatementLine.month))
    return {month: (int(micros), count) for month, micros, count in found}


def closed_months(session: Session) -> dict[str, BillingMonth]:
    """Return the closed months by name."""
    return {row.month: row for row in session.scalars(select(BillingMonth))}


def frame_of(session: Session, month: str) -> Frame:
    """Return the bounds of a closed month."""
    return _chain(session)[month]
