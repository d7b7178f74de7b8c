"""What the controller would have found by now, had it watched the demonstration all along.

A server that has just started knows nothing yet: an alert waits for its minutes, a suggestion for
the next look. People who come to see the demonstration should not have to.
"""

from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import select
from sqlalchemy.orm import Session

from gpu_management.alerts import memory
from gpu_management.alerts.evaluator import Memory, Subject
from gpu_management.alerts.fleet import Fleet, fleet_of
from gpu_management.alerts.machine import Standing, State
from gpu_management.alerts.past import key_of
from gpu_management.devices.models import Device, DeviceStateInterval
from gpu_management.metrics.embedded import Embedded
from gpu_management.optimization import jobs as reclaim
from gpu_management.optimization.manners import Policies
from gpu_management.simulate.demo_fleet import OUT_OF_WORK, WEAK_FANS

_HOT_FOR: Final = timedelta(minutes=20)
_OF_HEAT: Final = ("GPUHighTemperature", "GPUNearSlowdownTemperature")


def find(session: Session, *, interval_seconds: int, now: datetime) -> None:
    """Suggest what lies idle, and let alerts have waited since their cause is there.

    The first look of the controller tells of these alerts where their condition holds.
    """
    idle = reclaim.look(session, Embedded(), interval_seconds=interval_seconds, now=now)
    reclaim.act(session, idle, Policies(), now=now)
    if memory.edition_of(session) == 0:
        waiting = {**_out_of_work(session, now), **_hot(session, now)}
        memory.keep(session, Memory(now, waiting), seen=0)


def _out_of_work(session: Session, now: datetime) -> dict[Subject, Standing]:
    query = (
        select(Device.model_id, Device.state, DeviceStateInterval.started_at)
        .join(DeviceStateInterval, DeviceStateInterval.open_device_id == Device.id)
        .where(Device.device_id.in_(OUT_OF_WORK))
        .order_by(DeviceStateInterval.started_at.desc())
    )
    return {
        ("GPUUnavailable", key_of(model=model, state=state.value)): _since(began, now)
        for model, state, began in session.execute(query)
    }


def _hot(session: Session, now: datetime) -> dict[Subject, Standing]:
    keys = fleet_of(session, Fleet()).keys
    hot = [key for key in keys if dict(key)["deviceId"] in WEAK_FANS]
    return {(rule, key): _since(now - _HOT_FOR, now) for rule in _OF_HEAT for key in hot}


def _since(began: datetime, now: datetime) -> Standing:
    return Standing(State.PENDING, began, watched_seconds=(now - began).total_seconds())
