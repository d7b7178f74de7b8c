"""Statements as clients read them: sums by team, user, namespace, model, and the lines. Pure."""

import csv
import io
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal
from typing import Any

from gpu_management.core.database import MICROS
from gpu_management.core.wire import csv_cell
from gpu_management.costs.budgeting import MILLI_SECONDS_PER_HOUR
from gpu_management.costs.models import BillingMonth, LineKind
from gpu_management.costs.months import NOTHING, Figures, Frame, Line
from gpu_management.costs.statements import UNASSIGNED, Bill

COLUMNS = (
    "month",
    "kind",
    "originMonth",
    "team",
    "namespace",
    "user",
    "model",
    "profile",
    "workloadType",
    "gpuMilliSeconds",
    "gpuHours",
    "unpricedGpuHours",
    "cost",
    "currency",
)
"""The columns of a statement as CSV."""

_GROUPS: dict[str, Callable[[Line], str]] = {
    "by_namespace": lambda line: line.payer.namespace,
    "by_user": lambda line: line.payer.user_id,
    "by_model": lambda line: line.payer.model_id,
    "by_profile": lambda line: line.payer.profile_name or "whole card",
    "by_workload_type": lambda line: line.payer.workload_type,
}


def money(micros: int) -> Decimal:
    """Return micros as an amount with its six digits."""
    return (Decimal(micros) / MICROS).quantize(Decimal("0.000001"))


def hours(milli_seconds: int) -> Decimal:
    """Return milli-seconds of GPUs as GPU-hours, rounded to the millionth."""
    return (Decimal(milli_seconds) / MILLI_SECONDS_PER_HOUR).quantize(Decimal("0.000001"))


def total(lines: Iterable[Line], kind: LineKind | None = None) -> Figures:
    """Return the sum of lines, of one kind or of both."""
    found = NOTHING
    for line in lines:
        if kind is None or line.kind is kind:
            found += line.figures
    return found


def frame_shown(frame: Frame) -> dict[str, Any]:
    """Return month, period, time zone and currency."""
    return {
        "month": frame.month,
        "period_start": frame.since,
        "period_end": frame.until,
        "timezone": frame.timezone,
        "currency": frame.currency,
    }


def summary(frame: Frame, closed: BillingMonth | None) -> dict[str, Any]:
    """Return a month as the calendar shows it."""
    return frame_shown(frame) | {
        "status": "open" if closed is None else "closed",
        "total_cost": None if closed is None else closed.total,
        "line_count": None if closed is None else closed.line_count,
        "closed_at": None if closed is None else closed.closed_at,
        "closed_by": None if closed is None else closed.closed_by,
        "fingerprint": None if closed is None else closed.fingerprint,
    }


def own_summary(
    frame: Frame, closed: BillingMonth | None, billed: tuple[int, int]
) -> dict[str, Any]:
    """Return a month as one team may read it: `billed` are its micros and its lines."""
    shown = summary(frame, closed)
    if closed is None:
        return shown
    return shown | {"total_cost": money(billed[0]), "line_count": billed[1]}


def _head(bill: Bill) -> dict[str, Any]:
    closed = bill.closed
    return frame_shown(bill.frame) | {
        "status": "open" if closed is None else "closed",
        "as_of": bill.as_of,
        "closed_at": None if closed is None else closed.closed_at,
        "closed_by": None if closed is None else closed.closed_by,
        "fingerprint": None if closed is None else closed.fingerprint,
    }


def sums_shown(lines: Sequence[Line]) -> dict[str, Any]:
    """Return what lines add up to, use and adjustments told apart."""
    whole = total(lines)
    return {
        "gpu_hours": hours(total(lines, LineKind.USAGE).milli_seconds),
        "unpriced_gpu_hours": hours(whole.unpriced),
        "usage_cost": money(total(lines, LineKind.USAGE).micros),
        "adjustment_cost": money(total(lines, LineKind.ADJUSTMENT).micros),
        "total_cost": money(whole.micros),
    }


def month_shown(bill: Bill) -> dict[str, Any]:
    """Return a month with the sums of each team, the dearest first; they add up to its total."""
    by_team: dict[str, list[Line]] = defaultdict(list)
    for line in bill.lines:
        by_team[line.payer.team_id or UNASSIGNED].append(line)
    teams = [{"team_id": team} | sums_shown(lines) for team, lines in by_team.items()]
    teams.sort(key=lambda row: (-row["total_cost"], row["team_id"]))
    return _head(bill) | sums_shown(bill.lines) | {"teams": teams}


def team_shown(bill: Bill, team: str) -> dict[str, Any]:
    """Return the statement of one team: its sums along every dimension, and its lines."""
    lines = bill.of_team(team)
    grouped = {name: _grouped(lines, key) for name, key in _GROUPS.items()}
    shown = [_line_shown(line) for line in lines]
    return _head(bill) | {"team_id": team} | sums_shown(lines) | grouped | {"lines": shown}


def _grouped(lines: Sequence[Line], key: Callable[[Line], str]) -> dict[str, Decimal]:
    sums: dict[str, int] = defaultdict(int)
    for line in lines:
        sums[key(line) or UNASSIGNED] += line.figures.micros
    return {name: money(sums[name]) for name in sorted(sums, key=lambda one: (-sums[one], one))}


def _line_shown(line: Line) -> dict[str, Any]:
    payer, figures = line.payer, line.figures
    return {
        "kind": line.kind,
        "origin_month": line.origin_month,
        "namespace": payer.namespace or None,
        "user_id": payer.user_id or None,
        "model_id": payer.model_id,
        "profile_name": payer.profile_name or None,
        "workload_type": payer.workload_type or None,
        "gpu_milli_seconds": figures.milli_seconds,
        "gpu_hours": hours(figures.milli_seconds),
        "unpriced_gpu_hours": hours(figures.unpriced),
        "cost": money(figures.micros),
    }


def as_csv(bill: Bill, lines: Iterable[Line]) -> str:
    """Return lines as CSV (RFC 4180), in the order they are billed; money with all its digits."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\r\n")
    writer.writerow(COLUMNS)
    for line in lines:
        row = _row(bill.frame, line)
        writer.writerow(f"{v:f}" if isinstance(v, Decimal) else csv_cell(v) for v in row)
    return out.getvalue()


def _row(frame: Frame, line: Line) -> tuple[Any, ...]:
    payer, figures = line.payer, line.figures
    return (
        frame.month,
        line.kind.value,
        line.origin_month,
        payer.team_id or UNASSIGNED,
        payer.namespace,
        payer.user_id,
        payer.model_id,
        payer.profile_name,
        payer.workload_type,
        figures.milli_seconds,
        hours(figures.milli_seconds),
        hours(figures.unpriced),
        money(figures.micros),
        frame.currency,
    )
