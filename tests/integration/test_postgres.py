"""DESIGN 3 on PostgreSQL: random histories, and replicas that really act at the same time."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from sqlalchemy import func, select, text

from gpu_management.allocations import jobs
from gpu_management.allocations.errors import GpuNotAvailable
from gpu_management.allocations.models import Allocation, Hold, IdempotencyKey, Phase
from gpu_management.auth.principals import Mode, Security
from gpu_management.cli.wiring import prepare
from gpu_management.controller.leader import Leader
from gpu_management.core.database import Database, open_database
from gpu_management.core.problems import PreconditionFailed, Problem
from gpu_management.devices import service as devices
from gpu_management.devices.models import Device, DeviceState, DeviceStateInterval
from gpu_management.mig import service as mig
from gpu_management.mig.models import MigInstance
from gpu_management.migrations.tables import METADATA
from tests.support.apps import Hands
from tests.support.history import History
from tests.support.house import A100, CLUSTER, House
from tests.support.ledger import check_ledger
from tests.support.postgres import Postgres

pytestmark = pytest.mark.integration


class OnPostgres(History):
    """Histories on one PostgreSQL database that is emptied for each."""

    url: ClassVar[str]

    def open_database(self) -> Database:
        database = open_database(type(self).url, pool_size=5, schema="gpu_admin")
        names = ", ".join(METADATA.tables)
        with database.write() as session:
            session.execute(text(f"TRUNCATE {names} RESTART IDENTITY CASCADE"))
        prepare(database, CLUSTER, Hands())
        return database


def test_random_histories_keep_the_ledger_whole(postgres: Postgres) -> None:
    OnPostgres.url = postgres.fresh_url()
    first = open_database(OnPostgres.url, schema="gpu_admin")
    prepare(first, CLUSTER, Hands())
    first.close()
    run_state_machine_as_test(
        OnPostgres,
        settings=settings(
            max_examples=25,
            stateful_step_count=40,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


def _replicas(house: House, count: int) -> list[House]:
    return [house, *(House(house.database) for _ in range(count - 1))]


def _at_once(deeds: list[Callable[[], Any]]) -> list[Any]:
    """Do everything at the same moment; return results, and problems where they came."""
    barrier = Barrier(len(deeds))

    def one(deed: Callable[[], Any]) -> Any:
        barrier.wait()
        try:
            return deed()
        except Problem as problem:
            return problem

    with ThreadPoolExecutor(len(deeds)) as pool:
        return list(pool.map(one, deeds))


def _check(house: House) -> None:
    with house.database.read() as session:
        check_ledger(session)


def test_many_requests_at_once_share_out_what_there_is_and_not_more(
    postgres_house: House,
) -> None:
    house = postgres_house
    house.node("n1", gpus=5)
    replicas = _replicas(house, 5)
    deeds = [lambda r=replicas[n % 5]: r.request() for n in range(12)]
    results = _at_once(deeds)
    made = [r for r in results if isinstance(r, Allocation)]
    refused = [r for r in results if isinstance(r, GpuNotAvailable)]
    assert (len(made), len(refused)) == (5, 7), results
    assert len({one.allocated_resource for one in made}) == 5
    _check(house)


def test_shares_and_slices_at_once_never_pass_a_device(postgres_house: House) -> None:
    house = postgres_house
    house.node("n1", gpus=1)
    house.node("n2", gpus=1, model=A100, layout=[])
    replicas = _replicas(house, 4)
    asked: list[dict[str, Any]] = [{"gpu_milli": 300}] * 6
    asked += [{"use_mig": True, "required_memory_gb": 20}] * 6
    deeds = [lambda r=replicas[n % 4], a=a: r.request(**a) for n, a in enumerate(asked)]
    results = _at_once(deeds)
    made = [r for r in results if isinstance(r, Allocation)]
    assert sum(one.gpu_milli or 0 for one in made) <= 2000
    assert all(isinstance(r, Allocation | GpuNotAvailable) for r in results), results
    _check(house)


def test_one_key_at_once_on_several_replicas_is_one_allocation(postgres_house: House) -> None:
    house = postgres_house
    house.node("n1", gpus=8)
    replicas = _replicas(house, 4)
    results = _at_once([lambda r=replicas[n % 4]: r.request(key="k") for n in range(8)])
    assert len({one.allocation_id for one in results}) == 1
    with house.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Allocation)) == 1
        assert session.scalar(select(func.count()).select_from(IdempotencyKey)) == 1
    _check(house)


def test_one_allocation_released_at_once_by_many_ends_once(postgres_house: House) -> None:
    house = postgres_house
    house.node()
    made = house.request()
    results = _at_once([lambda: house.release(made.allocation_id) for _ in range(6)])
    assert {one.phase for one in results} == {Phase.RELEASED}
    assert len({one.released_at for one in results}) == 1
    _check(house)


def test_extending_and_releasing_at_once_never_brings_back_what_ended(
    postgres_house: House,
) -> None:
    house = postgres_house
    house.node()
    for _ in range(5):
        made = house.request(max_duration_hours=1)
        _at_once(
            [
                lambda a=made: house.release(a.allocation_id),
                lambda a=made: house.extend(a.allocation_id, 1),
                lambda a=made: house.extend(a.allocation_id, 1),
            ]
        )
        ended = house.find(made.allocation_id)
        assert ended.phase is Phase.RELEASED
        assert any(c["type"] == "Released" for c in ended.conditions)
        _check(house)


def test_timers_and_callers_at_once_agree_on_who_waits(postgres_house: House) -> None:
    house = postgres_house
    for _ in range(6):
        queued = house.request(wait_seconds=1)
        house.clock.forward(seconds=2)
        name = f"n-{queued.allocation_id[:8]}"
        house.node(name)

        def give_up() -> None:
            with house.database.write() as session:
                jobs.give_up_waiting(session, now=house.now)

        _at_once([give_up, house.serve_queue, lambda q=queued: house.release(q.allocation_id)])
        _check(house)
        with house.device(f"{name}-GPU-00") as (session, device):
            if not device.held_milli:
                mig.remove_device(session, device, now=house.now)


def test_expiry_and_release_at_once_end_an_allocation_once(postgres_house: House) -> None:
    house = postgres_house
    house.node()
    made = house.request(max_duration_hours=1)
    house.clock.forward(hours=1)
    _at_once([house.end_of_time, house.end_of_time, lambda: house.release(made.allocation_id)])
    assert house.find(made.allocation_id).phase is Phase.RELEASED
    _check(house)


def test_states_told_at_once_are_one_timeline(postgres_house: House) -> None:
    house = postgres_house
    (name,) = house.node()
    states = [DeviceState.FAILED, DeviceState.OFFLINE, DeviceState.MAINTENANCE] * 3
    _at_once(
        [lambda s=state, n=n: house.set_state(name, s, f"r{n}") for n, state in enumerate(states)]
    )
    _check(house)
    with house.database.read() as session:
        assert session.scalar(select(func.count()).select_from(DeviceStateInterval)) == 10


def test_slices_made_and_taken_at_once_never_overlap(postgres_house: House) -> None:
    house = postgres_house
    (name,) = house.node(model=A100, layout=[])

    def carve() -> None:
        with house.device(name) as (session, device):
            mig.create(session, device, "2g.20gb", start=None, now=house.now)

    def take() -> Allocation:
        return House(house.database).request(use_mig=True, required_memory_gb=20)

    results = _at_once([carve, take, carve, take, carve, take])
    assert not [r for r in results if isinstance(r, Exception) and not isinstance(r, Problem)]
    _check(house)
    with house.database.read() as session:
        places = select(MigInstance.placement_start).where(MigInstance.destroyed_at.is_(None))
        assert len(set(session.scalars(places))) >= 3


def test_of_two_changes_made_on_the_same_copy_one_is_refused(postgres_house: House) -> None:
    house = postgres_house
    (name,) = house.node()

    def change(driver: str) -> None:
        with house.device(name) as (session, device):
            devices.check_edition(session, device, '"1"')
            facts = devices.DeviceFacts(driver_version=driver)
            devices.change(session, device, facts=facts, now=house.now)

    results = _at_once([lambda d=str(n): change(d) for n in range(4)])
    assert sum(isinstance(r, PreconditionFailed) for r in results) == 3
    with house.database.read() as session:
        assert session.scalars(select(Device.edition)).one() == 2


def test_a_failed_commit_is_a_failure_and_holds_nothing(postgres_house: House) -> None:
    house = postgres_house
    house.node()
    with house.client(Security(Mode.DISABLED)) as client:
        asked = {"namespace": "a", "podName": "p", "workloadType": "training"}
        zero = "/api/v1/gpu/devices?nodeName=%00"
        assert client.get(zero).status_code == 422
        made = client.post("/api/v1/gpu/allocations", json={**asked, "requiredMemoryGb": 16})
        assert made.status_code == 200
    with house.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Hold)) == 1


def _url(house: House) -> str:
    return house.database.engine.url.render_as_string(hide_password=False)


def test_one_replica_leads_and_another_takes_over_when_it_is_gone(
    postgres_house: House,
) -> None:
    second = open_database(_url(postgres_house))
    one, other = Leader(postgres_house.database), Leader(second)
    assert one.leads()
    assert one.leads()
    assert not other.leads()
    with postgres_house.database.write() as session:  # the leader's connection is cut
        cut = "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
        session.execute(text(cut))
    ends = time.monotonic() + 10
    while not other.leads():
        assert time.monotonic() < ends, "nobody took over"
    assert not one.leads()
    other.resign()
    assert one.leads()
    one.resign()
    second.close()
