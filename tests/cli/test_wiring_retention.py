"""Old events and audit rows go, in bounded steps; what GPUs were held stays."""

from datetime import timedelta

from sqlalchemy import func, select

from gpu_management.allocations.models import Allocation, Hold
from gpu_management.auth.models import AuditEntry
from gpu_management.cli.wiring_retention import purge_job
from gpu_management.core.settings import Retention
from gpu_management.events import jobs
from gpu_management.events.models import Event
from tests.support.events import say
from tests.support.house import House


def count(house: House, table: type) -> int:
    with house.database.read() as session:
        return session.scalar(select(func.count()).select_from(table)) or 0


def test_what_is_too_old_goes_and_the_ledger_stays(house: House) -> None:
    house.node()
    house.release(house.request().allocation_id)
    house.clock.forward(days=100)
    house.release(house.request().allocation_id)
    before = {table: count(house, table) for table in (Event, AuditEntry, Hold, Allocation)}
    job = purge_job(house.database, Retention(events_days=90, audit_days=400))
    job.run(house.now)
    assert count(house, Event) == 2 < before[Event]
    assert count(house, AuditEntry) == before[AuditEntry]
    purge_job(house.database, Retention(audit_days=30)).run(house.now)
    assert count(house, AuditEntry) == 2
    assert count(house, Hold) == before[Hold] == 2
    assert count(house, Allocation) == before[Allocation]


def test_zero_days_keeps_everything(house: House) -> None:
    house.node()
    house.clock.forward(days=10_000)
    purge_job(house.database, Retention(events_days=0, audit_days=0)).run(house.now)
    assert count(house, Event) == 1


def test_one_step_deletes_a_bounded_number_and_never_the_newest(house: House) -> None:
    with house.database.write() as session:
        for number in range(7):
            say(session, "a.x", subject_id=str(number))
    gone = []
    while not gone or gone[-1]:
        with house.database.write() as session:
            later = house.now + timedelta(days=1)
            gone.append(jobs.purge(session, before=later, at_once=4))
    assert gone == [4, 2, 0]
    with house.database.read() as session:
        assert session.scalars(select(Event.subject_id)).all() == ["6"]
