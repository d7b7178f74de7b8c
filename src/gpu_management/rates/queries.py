"""Reading the price book: rows with their stretch, what a thing costs, what has no price."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, null, or_, select
from sqlalchemy.orm import Session

from gpu_management.core.database import AnySelect, UtcDateTime
from gpu_management.core.paging import Listing, Page, list_rows
from gpu_management.core.text import did_you_mean
from gpu_management.devices import library
from gpu_management.devices.models import Cluster, Device, Model, Node
from gpu_management.mig.models import MigInstance
from gpu_management.rates.book import Book, Priced
from gpu_management.rates.models import (
    ANYWHERE,
    SHARE,
    WHOLE_CARD,
    Rate,
    RateKind,
    RateState,
)
from gpu_management.rates.service import Subject, check_profile


@dataclass(frozen=True, slots=True)
class RateFilter:
    """Which rows are asked for; None asks for all. `at` asks for those in force at a moment."""

    model_id: str | None = None
    profile_name: str | None = None
    kind: RateKind | None = None
    cluster_name: str | None = None
    node_pool: str | None = None
    at: datetime | None = None


_WHOLE_MILLI = 1000
_WORDS = {RateKind.CARD: WHOLE_CARD, RateKind.SHARE: SHARE}
_SORTS = {"modelId": Rate.model_id, "effectiveFrom": Rate.effective_from, "id": Rate.id}


def list_rates(session: Session, asked: RateFilter, *, now: datetime, page: Page) -> Listing:
    """Return rows of the book as the wire shows them: until when each holds, and its state."""
    query = _rows(asked.at).where(*_conditions(asked))
    listing = list_rows(session, query, sorts=_SORTS, key=Rate.id, page=page)
    rows = [shown(row[0], row[1], now=now) for row in listing.rows]
    return Listing(rows, listing.total, listing.next_cursor)


def find_shown(session: Session, rate_id: int, *, now: datetime) -> dict[str, Any]:
    """Return one row as the wire shows it."""
    rate, until = session.execute(_rows().where(Rate.id == rate_id)).one()
    return shown(rate, until, now=now)


def _rows(at: datetime | None = None) -> AnySelect:
    """Return the query of rows, each with the moment at which the next of its subject begins."""
    follows = func.lead(Rate.effective_from, type_=UtcDateTime).over(
        partition_by=(Rate.model_id, Rate.profile_name, Rate.cluster_name, Rate.node_pool),
        order_by=Rate.effective_from,
    )
    spans = select(Rate.id.label("id"), follows.label("until")).subquery("spans")
    until = spans.c.until
    query = select(Rate, until).join(spans, spans.c.id == Rate.id)
    if at is None:
        return query
    return query.where(Rate.effective_from <= at, or_(until.is_(None), until > at))


def _conditions(asked: RateFilter) -> list[ColumnElement[bool]]:
    names = ("model_id", "profile_name", "cluster_name", "node_pool")
    told = {name: getattr(asked, name) for name in names}
    found = [getattr(Rate, name) == value for name, value in told.items() if value is not None]
    if asked.kind is RateKind.PROFILE:
        found.append(Rate.profile_name.not_in((WHOLE_CARD, SHARE)))
    elif asked.kind is not None:
        found.append(Rate.profile_name == _WORDS[asked.kind])
    return found


def shown(rate: Rate, until: datetime | None, *, now: datetime) -> dict[str, Any]:
    """Return a row as the wire shows it, less the currency."""
    kind = kind_of(rate.profile_name)
    return {
        "id": rate.id,
        "model_id": rate.model_id,
        "kind": kind,
        "profile_name": rate.profile_name if kind is RateKind.PROFILE else None,
        "cluster_name": None if rate.cluster_name == ANYWHERE else rate.cluster_name,
        "node_pool": None if rate.node_pool == ANYWHERE else rate.node_pool,
        "cost_per_hour": rate.cost_per_hour,
        "effective_from": rate.effective_from,
        "effective_until": until,
        "state": _state(rate.effective_from, until, now),
        "source": rate.source,
        "note": rate.note,
        "created_by": rate.created_by,
        "created_at": rate.created_at,
    }


def kind_of(profile_name: str) -> RateKind:
    """Return what a row of this profile, or word for one, prices."""
    words = {word: kind for kind, word in _WORDS.items()}
    return words.get(profile_name, RateKind.PROFILE)


def _state(since: datetime, until: datetime | None, now: datetime) -> RateState:
    if now < since:
        return RateState.PLANNED
    return RateState.IN_FORCE if until is None or now < until else RateState.PAST


@dataclass(frozen=True, slots=True)
class Question:
    """What somebody wants the price of: a card or a part of it, where, and when."""

    subject: Subject
    milli: int
    at: datetime


def quote(session: Session, book: Book, asked: Question, *, now: datetime) -> dict[str, Any]:
    """Return what a thing costs an hour at a moment, and the row that says so.

    Raises:
        ModelNotFound: no such model.
        RateInvalid: the model has no such profile.
    """
    subject = asked.subject
    model = library.find_model(session, subject.model_id)
    if kind_of(subject.profile_name) is RateKind.PROFILE:
        check_profile(model, subject.profile_name)
        profile: str | None = subject.profile_name
    else:
        profile = None
    thing = Priced(
        model.model_id,
        model.mig_geometry,
        profile,
        asked.milli,
        subject.cluster_name,
        subject.node_pool,
    )
    found = book.tariff(thing, asked.at)
    share = None if found is None or profile is None else found.share
    return {
        "cost_per_hour": book.per_hour(thing, asked.at),
        "at": asked.at,
        "share_of_card": None if share is None else round(float(share), 6),
        "rate": None if found is None else find_shown(session, found.row.row_id, now=now),
    }


def unpriced(session: Session, book: Book, *, now: datetime) -> list[dict[str, Any]]:
    """Return what stands in the fleet and has no price now: cards, and slices, by place."""
    found = []
    for row in [*session.execute(_cards()), *session.execute(_slices())]:
        thing = Priced(
            row.model_id,
            row.mig_geometry,
            row.profile_name,
            _WHOLE_MILLI,
            row.cluster_name,
            row.node_pool,
        )
        if book.tariff(thing, now) is None:
            found.append(dict(row._mapping) | {"priced_from": book.priced_since(thing)})
    return found


def _cards() -> AnySelect:
    place = (Device.cluster_name, Node.node_pool, Device.model_id, Model.mig_geometry)
    return (
        select(*place, null().label("profile_name"), func.count().label("count"))
        .join(Node, Node.id == Device.node_id)
        .join(Model, Model.model_id == Device.model_id)
        .where(Device.live_id.is_not(None))
        .group_by(*place)
        .order_by(Device.model_id, Device.cluster_name, Node.node_pool)
    )


def _slices() -> AnySelect:
    place = (Device.cluster_name, Node.node_pool, Device.model_id, Model.mig_geometry)
    part = MigInstance.profile_name
    return (
        select(*place, part, func.count().label("count"))
        .join(Device, Device.id == MigInstance.device_id)
        .join(Node, Node.id == Device.node_id)
        .join(Model, Model.model_id == Device.model_id)
        .where(Device.live_id.is_not(None), MigInstance.destroyed_at.is_(None))
        .group_by(*place, part)
        .order_by(Device.model_id, part, Device.cluster_name, Node.node_pool)
    )


def doubts(session: Session, subject: Subject) -> list[str]:
    """Return what looks wrong about where a price holds: places that nobody knows."""
    found = []
    if subject.cluster_name != ANYWHERE:
        names = session.scalars(select(Cluster.name)).all()
        if subject.cluster_name not in names:
            hint = did_you_mean(subject.cluster_name, names)
            found.append(f"no cluster is called {subject.cluster_name}{hint}")
    if subject.node_pool != ANYWHERE:
        pools = select(Node.node_pool).where(Node.node_pool.is_not(None)).distinct()
        known = [str(pool) for pool in session.scalars(pools)]
        if subject.node_pool not in known:
            hint = did_you_mean(subject.node_pool, known)
            found.append(f"no node is in the pool {subject.node_pool} yet{hint}")
    return found
