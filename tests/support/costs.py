"""Closing the days of a house, and the ledger's answers read from holds alone."""

from collections import Counter
from datetime import datetime
from typing import Any

from gpu_management.costs import jobs
from gpu_management.costs import service as costs
from gpu_management.costs.capacity import buckets_by
from gpu_management.costs.closed_rows import Terms
from gpu_management.costs.grouping import Dimension, Question, added_up
from gpu_management.costs.ledger import Buckets
from tests.support.house import House

Figures = tuple[int, int, int]


def close_days(house: House, *, most_runs: int = 100) -> int:
    """Close every day that is over; return how many were."""
    done = 0
    for _ in range(most_runs):
        with house.database.write() as session:
            made = jobs.close_days(session, house.desk, now=house.now)
        done += made
        if not made:
            break
    return done


def terms(house: House, session: Any) -> Terms:
    """Return the terms of the house."""
    return house.desk.terms(session)


def from_raw(
    house: House, since: datetime, until: datetime, *names: str
) -> dict[tuple[Any, ...], Figures]:
    """Add up pieces of holds one by one: milli-seconds, of these unpriced, and micros."""
    found: dict[tuple[Any, ...], Counter[int]] = {}
    with house.database.read() as session:
        book = house.keeper.book(session)
        window = costs.Window(since, until)
        for piece in costs.pieces(session, book, house.desk.zone, window):
            milli_seconds = piece.seconds * piece.hold.milli
            key = tuple(piece.day if name == "day" else getattr(piece.hold, name) for name in names)
            sums = found.setdefault(key, Counter())
            sums[0] += milli_seconds
            sums[1] += milli_seconds if piece.micros is None else 0
            sums[2] += piece.micros or 0
    return {key: (sums[0], sums[1], sums[2]) for key, sums in found.items()}


def answered(
    house: House, since: datetime, until: datetime, *groups: Dimension
) -> dict[tuple[Any, ...], Figures]:
    """Ask for the same, as the product answers it."""
    with house.database.read() as session:
        asked = Question(since, until, groups)
        return {
            key: (sums.milli_seconds, sums.unpriced, sums.micros)
            for key, sums in added_up(session, terms(house, session), asked).items()
        }


def fleet_buckets(
    house: House, since: datetime, until: datetime, *groups: Dimension
) -> dict[tuple[Any, ...], Buckets]:
    """Ask where the fleet's time went."""
    with house.database.read() as session:
        return buckets_by(session, terms(house, session), (since, until), groups)
