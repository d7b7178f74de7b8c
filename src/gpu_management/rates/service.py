"""The verbs of the price book: seed it, read it, set a price."""

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from sqlalchemy import ColumnElement, and_, exists, func, insert, select
from sqlalchemy.orm import Session

from gpu_management.auth import service as auth
from gpu_management.auth.access import Permission, check
from gpu_management.auth.principals import Principal
from gpu_management.core.clock import whole_second, wire_time
from gpu_management.core.database import MICROS, AnySelect
from gpu_management.core.problems import FieldError
from gpu_management.core.trips import Answer, send
from gpu_management.devices import library
from gpu_management.devices.models import Device, Model
from gpu_management.events import service as events
from gpu_management.mig.geometry import load_geometries
from gpu_management.rates.book import Book, BookRow
from gpu_management.rates.errors import (
    RateChanged,
    RateExists,
    RateInForce,
    RateInvalid,
    RateNotFound,
)
from gpu_management.rates.models import ANYWHERE, LIST_PRICE, SHARE, WHOLE_CARD, Rate
from gpu_management.rates.pricing import LIST_CURRENCY, SliceRule, list_prices

ALWAYS = datetime(1970, 1, 1, tzinfo=UTC)
"""Since when the packaged list prices hold: before anything that can be metered."""


def seed_list_prices(session: Session, *, now: datetime, currency: str = LIST_CURRENCY) -> int:
    """Write list prices for models that have no price anywhere; return how many.

    They hold always in a database without GPUs. Later ones, of a newer version, hold from now on:
    they must not price what went unpriced. They are dollars: another currency gets none.
    """
    if currency != LIST_CURRENCY:
        return 0
    known = set(session.scalars(select(Rate.model_id).distinct()))
    is_new = not known and not session.scalar(select(exists().where(Device.id.is_not(None))))
    rows = [
        {
            "model_id": model_id,
            "profile_name": WHOLE_CARD,
            "cost_per_hour": Decimal(price.micros_per_hour) / MICROS,
            "effective_from": ALWAYS if is_new else whole_second(now),
            "source": LIST_PRICE,
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
        self._stamp: object = None
        self._book = Book([], rule=rule)

    def ask(self, session: Session) -> Answer:
        """Ask, in the open trip, whether rows came or went; `book` takes the answer after it."""
        return send(session, _STAMP, {})

    def book(self, session: Session, asked: Answer | None = None) -> Book:
        """Return the present book; the same object for as long as no row comes or goes."""
        (stamp,) = (asked or self.ask(session)).rows
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
class Subject:
    """What a price is for: a model or a part of it, and where."""

    model_id: str
    profile_name: str = WHOLE_CARD
    cluster_name: str = ANYWHERE
    node_pool: str = ANYWHERE

    def __str__(self) -> str:
        """Name it as people would."""
        part = {WHOLE_CARD: "card", SHARE: "shares"}.get(self.profile_name, self.profile_name)
        places = [("cluster", self.cluster_name), ("node pool", self.node_pool)]
        where = "".join(f" in {kind} {name}" for kind, name in places if name != ANYWHERE)
        return f"{self.model_id} {part}{where}"


@dataclass(frozen=True, slots=True)
class Price:
    """A price to set: of a model, one of its MIG profiles or its shares; from now or a moment.

    `based_on` is the id of the newest row of the same subject that the editor saw, 0 for none;
    `at_most` is the highest price that is taken for meant.
    """

    model_id: str
    cost_per_hour: Decimal
    profile_name: str | None = None
    effective_from: datetime | None = None
    note: str | None = None
    cluster_name: str = ANYWHERE
    node_pool: str = ANYWHERE
    based_on: int | None = None
    at_most: Decimal | None = None

    @property
    def subject(self) -> Subject:
        """Return what is priced, and where."""
        return Subject(
            self.model_id, self.profile_name or WHOLE_CARD, self.cluster_name, self.node_pool
        )


def set_rate(session: Session, price: Price, *, principal: Principal, now: datetime) -> Rate:
    """Set a price from a moment on; the past keeps its own.

    Raises:
        ModelNotFound: no such model.
        RateInvalid: an unknown profile, a moment that has passed, or a price beyond `at_most`.
        RateChanged: the newest price of the subject is not the one the editor saw.
        RateExists: there is a price from that very moment.
    """
    check(principal, Permission.RATES_WRITE)
    subject = price.subject
    model = _lock_model(session, subject.model_id)
    if subject.profile_name not in {WHOLE_CARD, SHARE}:
        check_profile(model, subject.profile_name)
    _check_amount(price)
    since = _since(price.effective_from, now)
    _check_seen(session, price)
    _check_vacant(session, subject, since)
    rate = Rate(
        model_id=subject.model_id,
        profile_name=subject.profile_name,
        cluster_name=subject.cluster_name,
        node_pool=subject.node_pool,
        cost_per_hour=price.cost_per_hour,
        effective_from=since,
        source="set",
        note=price.note,
        created_by=principal.name,
        created_at=now,
    )
    session.add(rate)
    session.flush()
    _tell(session, "rate.set", rate, principal=principal, now=now)
    return rate


def withdraw(session: Session, rate_id: int, *, principal: Principal, now: datetime) -> None:
    """Take back a price whose moment has not come; nothing was charged by it.

    Raises:
        RateNotFound: no such row.
        RateInForce: its moment has come.
    """
    check(principal, Permission.RATES_WRITE)
    model_id = session.scalar(select(Rate.model_id).where(Rate.id == rate_id))
    if model_id is not None:
        _lock_model(session, model_id)
    rate = session.get(Rate, rate_id)
    if rate is None:
        raise RateNotFound(f"no rate has the id {rate_id}; it may have been withdrawn")
    if rate.effective_from <= now:
        raise RateInForce(
            f"rate {rate_id} of {subject_of(rate)} holds since {rate.effective_from.isoformat()};"
            " what has begun stays, so set a new rate from now on"
        )
    _tell(session, "rate.withdrawn", rate, principal=principal, now=now)
    session.delete(rate)
    session.flush()


def subject_of(rate: Rate) -> Subject:
    """Return what a row prices."""
    return Subject(rate.model_id, rate.profile_name, rate.cluster_name, rate.node_pool)


def rows_of(subject: Subject) -> ColumnElement[bool]:
    """Return the condition for the rows that price exactly this."""
    return and_(
        Rate.model_id == subject.model_id,
        Rate.profile_name == subject.profile_name,
        Rate.cluster_name == subject.cluster_name,
        Rate.node_pool == subject.node_pool,
    )


def _lock_model(session: Session, model_id: str) -> Model:
    """Find a model and keep others from pricing it until commit (SQLite has one writer anyway)."""
    session.execute(select(Model.model_id).where(Model.model_id == model_id).with_for_update())
    return library.find_model(session, model_id)


def _tell(session: Session, kind: str, rate: Rate, *, principal: Principal, now: datetime) -> None:
    shown = {
        "modelId": rate.model_id,
        "profileName": None if rate.profile_name == WHOLE_CARD else rate.profile_name,
        "clusterName": None if rate.cluster_name == ANYWHERE else rate.cluster_name,
        "nodePool": None if rate.node_pool == ANYWHERE else rate.node_pool,
        "costPerHour": float(rate.cost_per_hour),
        "effectiveFrom": wire_time(rate.effective_from),
    }
    events.record(
        session, kind, subject_kind="model", subject_id=rate.model_id, data=shown, now=now
    )
    auth.record(
        session,
        principal,
        action=kind,
        target_kind="rate",
        target_id=str(rate.id),
        before=shown if kind == "rate.withdrawn" else None,
        after=shown if kind == "rate.set" else None,
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


def _check_amount(price: Price) -> None:
    if price.at_most is not None and price.cost_per_hour > price.at_most:
        message = (
            f"{price.cost_per_hour} an hour is more than {price.at_most}, the highest price that"
            " can be set; is the decimal point in its place? If it is,"
            " raise billing.max-rate-per-hour"
        )
        raise RateInvalid(
            message,
            errors=[FieldError("costPerHour", "max", message, float(price.cost_per_hour))],
        )


def check_profile(model: Model, profile_name: str) -> None:
    """Refuse a profile that the model does not have.

    Raises:
        RateInvalid: the sentence names those it has.
    """
    geometry = load_geometries().get(model.mig_geometry or "")
    if geometry is None or geometry.find(profile_name) is None:
        names = ", ".join(p.name for p in geometry.profiles) if geometry else "none"
        message = f"{model.model_name} has no MIG profile {profile_name}; it has {names}"
        raise RateInvalid(
            message, errors=[FieldError("profileName", "known", message, profile_name)]
        )


def _check_seen(session: Session, price: Price) -> None:
    if price.based_on is None:
        return
    query = select(Rate).where(rows_of(price.subject)).order_by(Rate.id.desc()).limit(1)
    newest = session.scalars(query).one_or_none()
    found = 0 if newest is None else newest.id
    if found == price.based_on:
        return
    said = "there is none now"
    if newest is not None:
        said = f"the newest is {newest.id}: {newest.cost_per_hour} by {newest.created_by}"
    raise RateChanged(
        f"you saw rate {price.based_on or 'none'} of {price.subject}, but {said};"
        " look at it and decide again",
        newestId=found,
    )


def _check_vacant(session: Session, subject: Subject, since: datetime) -> None:
    query = select(Rate.id).where(rows_of(subject), Rate.effective_from == since)
    if session.scalar(query) is not None:
        raise RateExists(
            f"{subject} already has a rate from {since.isoformat()}; choose a later second"
        )
