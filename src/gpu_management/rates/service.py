"""The verbs of the price book: seed it, read it, set a price."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import func, insert, select
from sqlalchemy.orm import Session

from gpu_management.auth import service as auth
from gpu_management.auth.access import Permission, check
from gpu_management.auth.principals import Principal
from gpu_management.core.clock import whole_second, wire_time
from gpu_management.core.database import MICROS, AnyRow, AnySelect
from gpu_management.core.problems import FieldError
from gpu_management.devices import library
from gpu_management.devices.models import Model
from gpu_management.events import service as events
from gpu_management.mig.geometry import load_geometries
from gpu_management.rates.book import Book, BookRow
from gpu_management.rates.errors import RateExists, RateInvalid
from gpu_management.rates.models import WHOLE_CARD, Rate
from gpu_management.rates.pricing import SliceRule, list_prices

ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
"""Since when the packaged list prices hold: before anything that can be metered."""


def seed_list_prices(session: Session, *, now: datetime) -> int:
    """Write the packaged list prices that the book does not have yet; return how many."""
    known = set(session.scalars(select(Rate.model_id).where(Rate.effective_from == ALWAYS)))
    rows = [
        {
            "model_id": model_id,
            "profile_name": WHOLE_CARD,
            "cost_per_hour": Decimal(price.micros_per_hour) / MICROS,
            "effective_from": ALWAYS,
            "source": "list-price",
            "note": f"{price.instance} {price.region}, {price.source_date or 'undated'}",
            "created_at": now,
        }
        for model_id, price in list_prices().items()
        if model_id not in known
    ]
    if rows:
        session.execute(insert(Rate), rows)
    return len(rows)


_STAMP: AnySelect = select(
    func.count(Rate.id), func.coalesce(func.max(Rate.id), 0), func.coalesce(func.sum(Rate.id), 0)
)
"""Tells one book from another: rows are added and withdrawn, never changed, and an id is used
once. The sum tells a row that was withdrawn from one that another replica committed late."""


class BookKeeper:
    """Keeps a book in memory and reads it again when rows came or went; one per process."""

    def __init__(self, rule: SliceRule = SliceRule.DOMINANT_SHARE) -> None:
        """Start empty; `rule` prices slices that have no price of their own."""
        self._rule = rule
        self._stamp: AnyRow | None = None
        self._book = Book([], rule=rule)

    def book(self, session: Session) -> Book:
        """Return the present book; the same object for as long as no row comes or goes."""
        stamp = session.connection().execute(_STAMP).one()
        if stamp != self._stamp:
            self._book = read_book(session, rule=self._rule)
            self._stamp = stamp
        return self._book


def read_book(session: Session, *, rule: SliceRule = SliceRule.DOMINANT_SHARE) -> Book:
    """Return every price there is."""
    query = select(
        Rate.model_id,
        Rate.profile_name,
        Rate.cost_per_hour,
        Rate.effective_from,
        Rate.cluster_name,
        Rate.node_pool,
        Rate.id,
    )
    rows = [
        BookRow(model, part, int(cost * MICROS), since, cluster, pool, pk)
        for model, part, cost, since, cluster, pool, pk in session.execute(query)
    ]
    return Book(rows, rule=rule)


@dataclass(frozen=True, slots=True)
class Price:
    """A price to set: of a model, or of one of its MIG profiles; from now, or from a moment."""

    model_id: str
    cost_per_hour: Decimal
    profile_name: str | None = None
    effective_from: datetime | None = None
    note: str | None = None


def set_rate(session: Session, price: Price, *, principal: Principal, now: datetime) -> Rate:
    """Set a price from a moment on; the past keeps its own.

    Raises:
        ModelNotFound: no such model.
        RateInvalid: an unknown profile, or a moment that has passed.
        RateExists: there is a price from that very moment.
    """
    check(principal, Permission.RATES_WRITE)
    model = library.find_model(session, price.model_id)
    if price.profile_name is not None:
        _check_profile(model, price.profile_name)
    since = _since(price.effective_from, now)
    _check_vacant(session, price.model_id, price.profile_name, since)
    rate = Rate(
        model_id=price.model_id,
        profile_name=price.profile_name or WHOLE_CARD,
        cost_per_hour=price.cost_per_hour,
        effective_from=since,
        source="set",
        note=price.note,
        created_by=principal.name,
        created_at=now,
    )
    session.add(rate)
    session.flush()
    _tell(session, rate, principal=principal, now=now)
    return rate


def _tell(session: Session, rate: Rate, *, principal: Principal, now: datetime) -> None:
    data = {
        "modelId": rate.model_id,
        "profileName": None if rate.profile_name == WHOLE_CARD else rate.profile_name,
        "costPerHour": float(rate.cost_per_hour),
        "effectiveFrom": wire_time(rate.effective_from),
    }
    events.record(
        session, "rate.set", subject_kind="model", subject_id=rate.model_id, data=data, now=now
    )
    auth.record(
        session,
        principal,
        action="rate.set",
        target_kind="rate",
        target_id=str(rate.id),
        after=data,
        now=now,
    )


def _since(effective_from: datetime | None, now: datetime) -> datetime:
    if effective_from is None:
        return whole_second(now)
    since = whole_second(effective_from)
    if since < whole_second(now):
        message = (
            f"effectiveFrom {since.isoformat()} has passed; a price change never rewrites the past,"
            " so give a moment from now on"
        )
        raise RateInvalid(
            message, errors=[FieldError("effectiveFrom", "future", message, since.isoformat())]
        )
    return since


def _check_profile(model: Model, profile_name: str) -> None:
    geometry = load_geometries().get(model.mig_geometry or "")
    if geometry is None or geometry.find(profile_name) is None:
        names = ", ".join(p.name for p in geometry.profiles) if geometry else "none"
        message = f"{model.model_name} has no MIG profile {profile_name}; it has {names}"
        raise RateInvalid(
            message, errors=[FieldError("profileName", "known", message, profile_name)]
        )


def _check_vacant(
    session: Session, model_id: str, profile_name: str | None, since: datetime
) -> None:
    query = select(Rate.id).where(
        Rate.model_id == model_id,
        Rate.profile_name == (profile_name or WHOLE_CARD),
        Rate.effective_from == since,
    )
    if session.scalar(query) is not None:
        raise RateExists(
            f"{model_id} {profile_name or 'card'} already has a rate from {since.isoformat()};"
            " choose a later second"
        )
