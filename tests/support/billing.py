"""Corrections of holds, written as the ledger has them: what month close must answer for."""

from datetime import datetime, timedelta

from sqlalchemy import select

from gpu_management.allocations.models import Hold, HoldCorrection
from gpu_management.allocations.queries import effective
from tests.support.house import House


def ended_holds(house: House) -> list[int]:
    """Return the holds that count and have ended, oldest first."""
    with house.database.read() as session:
        query = select(Hold.id).where(effective(), Hold.ended_at.is_not(None))
        return list(session.scalars(query.order_by(Hold.id)))


def correct(house: House, hold_id: int, *, started_at: datetime, ended_at: datetime) -> None:
    """Replace a hold that ended by one of another length; zero length voids it."""
    with house.database.write() as session:
        old = session.get_one(Hold, hold_id)
        new = Hold(
            allocation_id=old.allocation_id,
            device_id=old.device_id,
            mig_instance_id=old.mig_instance_id,
            kind=old.kind,
            source=old.source,
            milli=old.milli,
            profile_name=old.profile_name,
            node_pool=old.node_pool,
            started_at=started_at,
            ended_at=ended_at,
            corrects_id=old.id,
        )
        session.add(new)
        session.flush()
        told = HoldCorrection(hold_id=new.id, reason="test", actor="tester", recorded_at=house.now)
        session.add(told)


def shorten(house: House, hold_id: int, **by: float) -> None:
    """Let a hold have ended earlier."""
    with house.database.read() as session:
        old = session.get_one(Hold, hold_id)
        starts, ends = old.started_at, old.ended_at
    assert ends is not None
    correct(house, hold_id, started_at=starts, ended_at=max(starts, ends - timedelta(**by)))
