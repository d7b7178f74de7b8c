"""Reading the ledger and its closed days: rows, and turning them into what the rules take."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import InstrumentedAttribute, Session

from gpu_management.allocations.models import Hold
from gpu_management.allocations.queries import hold_facts, priced
from gpu_management.core.database import AnyRow, AnySelect, in_parts
from gpu_management.costs.days import day_start
from gpu_management.costs.ledger import WHOLE_MILLI, Held, Life, Standing, Steps, steps_of
from gpu_management.devices.models import Device, DeviceState, DeviceStateInterval, Model
from gpu_management.rates.book import Book, Priced, charged


def second(moment: datetime) -> int:
    """Return a moment as whole seconds since 1970."""
    return int(moment.timestamp())


def moment_of(seconds: int) -> datetime:
    """Return seconds since 1970 as a moment."""
    return datetime.fromtimestamp(seconds, UTC)


def days_between(since: datetime, until: datetime, zone: ZoneInfo) -> list[date]:
    """Return the billing days that [since, until) touches."""
    day, found = since.astimezone(zone).date(), []
    while day_start(day, zone) < until:
        found.append(day)
        day += timedelta(days=1)
    return found


def bounds_of(days: Sequence[date], zone: ZoneInfo) -> list[int]:
    """Return the seconds at which consecutive days begin, and at which the last ends."""
    ends = [*days, days[-1] + timedelta(days=1)]
    return [second(day_start(day, zone)) for day in ends]


class Pricer:
    """Turns rows of holds and devices into what the ledger's rules take, at a book's prices."""

    def __init__(self, book: Book) -> None:
        """Price with `book`."""
        self._book = book
        self._known: dict[Priced, tuple[Steps, Steps]] = {}
        self._cards: dict[tuple[str, str, str | None], Steps] = {}

    def held(self, row: AnyRow) -> Held:
        """Return a hold with its prices and its card's."""
        thing = priced(row)
        known = self._known.get(thing)
        if known is None:
            card = self.card(row, row.node_pool)
            known = self._known[thing] = (steps_of(self._book.periods(thing)), card)
        ended = row.ended_at
        return Held(
            second(row.started_at),
            None if ended is None else second(ended),
            row.milli,
            charged(thing),
            *known,
        )

    def card(self, row: AnyRow, pool: str | None) -> Steps:
        """Return the prices of a whole card of a row's model in a node pool."""
        key = (row.model_id, row.cluster_name, pool)
        found = self._cards.get(key)
        if found is None:
            model, cluster, _ = key
            card = Priced(model, row.mig_geometry, None, WHOLE_MILLI, cluster, pool)
            found = self._cards[key] = steps_of(self._book.periods(card))
        return found


def overlapping(since: datetime, until: datetime) -> ColumnElement[bool]:
    """Say that a hold reaches into [since, until)."""
    return (Hold.started_at < until) & or_(Hold.ended_at.is_(None), Hold.ended_at > since)


def holds_within(
    session: Session, since: datetime, until: datetime, *, devices: Iterable[int] | None = None
) -> Sequence[AnyRow]:
    """Return the holds that count within a window, of some devices or of all."""
    # Not in order: SQLite would read every hold there ever was to give them in order.
    query = hold_facts().where(overlapping(since, until))
    return _of_devices(session, query, Hold.device_id, devices)


def lives(
    session: Session,
    pricer: Pricer,
    holds: Iterable[AnyRow],
    *,
    window: tuple[datetime, datetime],
    devices: Iterable[int] | None = None,
) -> list[tuple[AnyRow, Life]]:
    """Return every GPU that was there in a window with its states and `holds`."""
    held: dict[int, list[Held]] = defaultdict(list)
    for row in holds:
        held[row.device_pk].append(pricer.held(row))
    span = (second(window[0]), second(window[1]))
    return [
        (device, replace(life, holds=held[device.pk]))
        for device, life in fleet(session, pricer, window, devices=devices)
        if device.pk in held or life.is_there(span)
    ]


def fleet(
    session: Session,
    pricer: Pricer,
    window: tuple[datetime, datetime],
    *,
    devices: Iterable[int] | None = None,
) -> list[tuple[AnyRow, Life]]:
    """Return every GPU there ever was with its states in a window, and without its holds.

    GPUs whose states are alike share one tuple of them.
    """
    wanted = None if devices is None else list(devices)
    states: dict[int, list[AnyRow]] = defaultdict(list)
    for state in states_within(session, *window, devices=wanted):
        states[state.device_id].append(state)
    alike: dict[tuple[Standing, ...], tuple[Standing, ...]] = {}
    found = []
    for device in _of_devices(session, _devices(), Device.id, wanted):
        standings = _standings(device, states.get(device.pk, ()), pricer, since=second(window[0]))
        left = None if device.removed_at is None else second(device.removed_at)
        shared = alike.setdefault(standings, standings)
        found.append((device, Life(second(device.registered_at), left, shared, ())))
    return found


def states_within(
    session: Session, since: datetime, until: datetime, *, devices: Iterable[int] | None = None
) -> Sequence[AnyRow]:
    """Return the stretches of states that reach into a window, oldest first."""
    return _of_devices(session, _states(since, until), DeviceStateInterval.device_id, devices)


def _devices() -> AnySelect:
    return select(
        Device.id.label("pk"),
        Device.device_id,
        Device.cluster_name,
        Device.node_id,
        Device.model_id,
        Model.mig_geometry,
        Device.state,
        Device.registered_at,
        Device.removed_at,
    ).join(Model, Model.model_id == Device.model_id)


def _states(since: datetime, until: datetime) -> AnySelect:
    table = DeviceStateInterval
    return (
        select(
            table.device_id,
            table.state,
            table.reason,
            table.node_pool,
            table.started_at,
            table.ended_at,
        )
        .where(table.started_at < until, or_(table.ended_at.is_(None), table.ended_at > since))
        .order_by(table.started_at, table.id)
    )


def _standings(
    device: AnyRow, states: Sequence[AnyRow], pricer: Pricer, *, since: int
) -> tuple[Standing, ...]:
    """Return what is known of a GPU from `since` on."""
    known = [
        Standing(
            max(since, second(state.started_at)),
            state.state is DeviceState.READY,
            pricer.card(device, state.node_pool),
        )
        for state in states
    ]
    if known:
        return tuple(known)
    is_able = device.state is DeviceState.READY
    return (Standing(since, is_able, pricer.card(device, None)),)


def _of_devices(
    session: Session,
    query: AnySelect,
    column: InstrumentedAttribute[int],
    devices: Iterable[int] | None,
) -> Sequence[AnyRow]:
    connection = session.connection()
    if devices is None:
        return connection.execute(query).all()
    wanted = sorted(devices)
    found: list[AnyRow] = []
    for some in in_parts(wanted):
        found += connection.execute(query.where(column.in_(some))).all()
    return found


def devices_of(session: Session, nodes: Iterable[int]) -> list[int]:
    """Return the rows of every GPU that ever was on some nodes."""
    query = select(Device.id).where(Device.node_id.in_(sorted(nodes)))
    return list(session.scalars(query))


def first_device(session: Session) -> datetime | None:
    """Return when there was a GPU for the first time; None where there never was."""
    return session.scalar(select(func.min(Device.registered_at)))


def first_moment(session: Session) -> datetime | None:
    """Return when the ledger begins: the first device or hold; None where there is neither."""
    starts = (first_device(session), session.scalar(select(func.min(Hold.started_at))))
    return min((moment for moment in starts if moment is not None), default=None)
