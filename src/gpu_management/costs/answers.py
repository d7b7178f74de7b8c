"""Answers of the cost routes: rows of groups, ordered and shaped for the wire."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from gpu_management.auth.access import visible_team
from gpu_management.core.problems import FieldError, ValidationFailed
from gpu_management.costs import service, shaping
from gpu_management.costs.budgets import Purse, bounding
from gpu_management.costs.capacity import DIMENSIONS, buckets_by
from gpu_management.costs.grouping import Dimension, Question, added_up
from gpu_management.costs.reader import Reader
from gpu_management.costs.service import Desk, Window
from gpu_management.costs.using import Measured, measured_by

_FIELDS = {dimension: dimension.name.lower() for dimension in Dimension}
_IN_TIME = {Dimension.DAY, Dimension.MONTH}
_SORTS = ("key", "cost", "-cost")


def analysis(
    session: Session, desk: Desk, purse: Purse, *, window: Window, reader: Reader, now: datetime
) -> dict[str, Any]:
    """Return the spending of a window, with the budget that bounds it (DTO-13)."""
    team = visible_team(reader.principal, reader.permission)
    spending = service.analysis(session, desk, window=window, reader=reader, now=now)
    return spending | {"budget": bounding(session, purse, team=team, now=now)}


def cost_by(
    session: Session,
    desk: Desk,
    window: Window,
    *,
    groups: Sequence[Dimension],
    only: Mapping[Dimension, str],
    reader: Reader,
) -> list[dict[str, Any]]:
    """Return what each group cost and what of it was used; rows sum to the total, exactly."""
    question = Question(window.since, window.until, groups, only, reader)
    terms = desk.terms(session)
    found = added_up(session, terms, question)
    measured = measured_by(session, terms, question)
    blank = dict.fromkeys(_FIELDS.values())
    return [
        {
            **blank,
            **_named(groups, key),
            "cost": shaping.money(sums.micros),
            "gpu_hours": shaping.hours(sums.milli_seconds),
            "gpu_milli_seconds": sums.milli_seconds,
            "unpriced_gpu_hours": shaping.hours(sums.unpriced),
            "card_cost": shaping.money(sums.card_micros),
            **shaping.parts(sums, measured.get(key, Measured())),
        }
        for key, sums in found.items()
    ]


def buckets_rows(
    session: Session,
    desk: Desk,
    window: Window,
    *,
    groups: Sequence[Dimension],
    only: Mapping[Dimension, str],
) -> list[dict[str, Any]]:
    """Return where the time of each group of GPUs went.

    Raises:
        ValidationFailed: limited by something that a free GPU does not have.
    """
    for dimension in sorted(set(only) - set(DIMENSIONS)):
        message = f"a free GPU has no {dimension.value}; limit by model, node or cluster"
        raise ValidationFailed(message, errors=[FieldError(dimension.value, "allowed", message)])
    span = (window.since, window.until)
    found = buckets_by(session, desk.terms(session), span, groups, only)
    blank = {_FIELDS[dimension]: None for dimension in DIMENSIONS}
    rows = [
        {**blank, **_named(groups, key), **shaping.buckets(sums)} for key, sums in found.items()
    ]
    return in_order(rows, groups, "key")


def in_order(
    rows: list[dict[str, Any]], groups: Sequence[Dimension], sort: str | None
) -> list[dict[str, Any]]:
    """Return rows by cost, the largest first; in time, by their key.

    Raises:
        ValidationFailed: an unknown order.
    """
    asked = sort or ("key" if _IN_TIME & set(groups) else "-cost")
    if asked not in _SORTS:
        message = f"cannot sort by {asked[:60]}; allowed: {', '.join(_SORTS)}"
        raise ValidationFailed(message, errors=[FieldError("sort", "allowed", message, asked)])
    names = [_FIELDS[group] for group in groups]
    rows.sort(key=lambda row: [_sortable(row[name]) for name in names])
    if asked != "key":
        rows.sort(key=lambda row: row["cost"], reverse=asked == "-cost")
    return rows


def _sortable(value: Any) -> tuple[bool, str]:
    text = value.isoformat() if isinstance(value, date) else str(value)
    return value is not None, text


def _named(groups: Sequence[Dimension], key: tuple[Any, ...]) -> dict[str, Any]:
    return {_FIELDS[group]: value for group, value in zip(groups, key, strict=True)}
