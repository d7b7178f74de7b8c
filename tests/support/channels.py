"""Channels for tests, and a courier that may send to this machine."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from ipaddress import ip_network
from typing import Any

from sqlalchemy import select

from gpu_management.events import service as events
from gpu_management.notifications import feed, service
from gpu_management.notifications.courier import Courier
from gpu_management.notifications.guard import Outbound
from gpu_management.notifications.models import Channel, Delivery
from gpu_management.notifications.pacing import Retry
from gpu_management.notifications.schemas import ChannelCreate
from gpu_management.notifications.terms import Terms
from tests.support.house import House
from tests.support.principals import ADMIN

HERE = Outbound((ip_network("127.0.0.0/8"),), allow_http=True)


def terms(**changes: Any) -> Terms:
    """Return rules that let tests send to this machine; people are tried for an hour."""
    plain: dict[str, Any] = {
        "outbound": HERE,
        "timeout_seconds": 5.0,
        "people": Retry(keep_trying=timedelta(hours=1)),
    }
    return Terms(**plain | changes)


def courier(house: House, **changes: Any) -> Courier:
    """Return a courier of a house; what happened before is not told."""
    with house.database.write() as session:
        feed.begin(session)
    return Courier(house.database, terms(**changes), house.clock)


def channel(house: House, name: str = "ops", *, kind: str = "webhook", **asked: Any) -> int:
    """Add a channel and return its number."""
    body = ChannelCreate.model_validate({"name": name, "kind": kind, **asked})
    with house.database.write() as session:
        row = service.create(session, body, terms=terms(), principal=ADMIN, now=house.now)
        return row.id


def alert(
    house: House,
    number: int = 1,
    *,
    kind: str = "alert.firing",
    severity: str = "warning",
    **data: Any,
) -> None:
    """Say that an alert fires, or another `kind` of it."""
    alerts(house, [number], kind=kind, severity=severity, **data)


def alerts(
    house: House,
    numbers: Sequence[int],
    *,
    kind: str = "alert.firing",
    severity: str = "warning",
    **data: Any,
) -> None:
    """Say that many alerts fire, in one transaction."""
    with house.database.write() as session:
        for number in numbers:
            told = {
                "alertId": f"a-{number}",
                "fingerprint": f"{number:016x}",
                "name": "GPUHighTemperature",
                "severity": severity,
                "labels": {"gpu": str(number), "instance": "n1"},
                "annotations": {"summary": f"GPU {number} is hot"},
                "value": 87.5,
                "threshold": 85.0,
                "startsAt": "2026-03-02T12:00:00.000Z",
                "state": "firing",
                "deviceId": f"n1-GPU-{number:02}",
                **data,
            }
            events.record(
                session,
                kind,
                subject_kind="alert",
                subject_id=f"a-{number}",
                data=told,
                now=house.now,
            )


def run(house: House, carrier: Courier, *, until: datetime | None = None) -> None:
    """Let a courier work until nothing is due; then move the clock in steps up to `until`."""
    while True:
        carrier.tick(house.now)
        assert carrier.wait(seconds=30)
        if until is None or house.now >= until:
            return
        house.clock.forward(seconds=1)


def deliveries(house: House) -> list[Delivery]:
    """Return every delivery, the oldest first."""
    with house.database.read() as session:
        return list(session.scalars(select(Delivery).order_by(Delivery.id)))


def found(house: House, channel_id: int) -> Channel:
    """Return a channel as it is committed."""
    with house.database.read() as session:
        return session.get_one(Channel, channel_id)
