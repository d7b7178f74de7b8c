from datetime import timedelta
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import select

from gpu_management.allocations import jobs
from gpu_management.allocations.admission import admit_team
from gpu_management.allocations.errors import GpuNotAvailable
from gpu_management.allocations.models import Allocation, Phase
from gpu_management.allocations.service import Office
from gpu_management.api import metrics
from gpu_management.auth.models import Team
from gpu_management.devices import service as devices
from gpu_management.devices.models import Cluster
from gpu_management.events.models import Event
from tests.support.house import A100, CLUSTER, House
from tests.support.ledger import check_ledger


def _events(house: House, kind: str) -> int:
    with house.database.read() as session:
        return len(session.scalars(select(Event).where(Event.type == kind)).all())


def _metric(house: House, name: str, **labels: str) -> float:
    with house.database.read() as session:
        text = metrics.fleet(session, house.desk, now=house.now).decode()
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            if sample.name == name and labels.items() <= sample.labels.items():
                return sample.value
    raise AssertionError(name)


def _wait(house: House, **asked: Any) -> str:
    """Queue a request and return its id; each comes a second after the one before."""
    house.clock.forward(seconds=1)
    queued = house.request(**{"wait_seconds": 86_400, **asked})
    assert queued.phase is Phase.PENDING
    return queued.allocation_id


def _phase(house: House, allocation_id: str) -> Phase:
    return house.find(allocation_id).phase


def test_what_has_run_its_time_is_released(house: House) -> None:
    house.node(gpus=2)
    short = house.request(max_duration_hours=1)
    endless = house.request()
    house.clock.forward(hours=1, seconds=-1)
    house.end_of_time()
    assert _phase(house, short.allocation_id) is Phase.ALLOCATED
    house.clock.forward(seconds=1)
    house.end_of_time()
    house.end_of_time()
    ended = house.find(short.allocation_id)
    assert (ended.phase, ended.release_reason) == (Phase.RELEASED, "expired")
    assert _phase(house, endless.allocation_id) is Phase.ALLOCATED
    assert _events(house, "allocation.released") == 1
    with house.database.read() as session:
        check_ledger(session)


def test_the_end_is_announced_once_a_quarter_of_an_hour_before(house: House) -> None:
    house.node()
    made = house.request(max_duration_hours=1)
    house.clock.forward(minutes=44)
    house.end_of_time()
    assert _events(house, "allocation.expiring") == 0
    house.clock.forward(minutes=1)
    for _ in range(3):
        house.end_of_time()
        house.clock.forward(minutes=1)
    assert _events(house, "allocation.expiring") == 1
    warned = house.find(made.allocation_id)
    assert warned.conditions[-1]["type"] == "Expiring"
    assert "2026-03-02T13:00:00Z" in warned.conditions[-1]["message"]


def test_an_extension_takes_the_warning_back_and_the_next_end_is_announced_again(
    house: House,
) -> None:
    house.node()
    made = house.request(max_duration_hours=1)
    house.clock.forward(minutes=50)
    house.end_of_time()
    house.extend(made.allocation_id, 1)
    assert all(c["type"] != "Expiring" for c in house.find(made.allocation_id).conditions)
    house.clock.forward(hours=1)
    house.end_of_time()
    assert _events(house, "allocation.expiring") == 2
    house.clock.forward(minutes=10)
    house.end_of_time()
    assert _phase(house, made.allocation_id) is Phase.RELEASED


def test_who_waits_is_served_when_a_gpu_becomes_free(house: House) -> None:
    house.node()
    holder = house.request()
    queued = _wait(house)
    assert house.serve_queue() == 0
    waiting = house.find(queued)
    assert waiting.message is not None
    assert waiting.message.startswith("waiting: number 1 in line; ")
    house.release(holder.allocation_id)
    assert house.serve_queue() == 1
    served = house.find(queued)
    assert served.phase is Phase.ALLOCATED
    assert served.allocated_resource == "n1-GPU-00"
    assert served.cost_per_hour is not None
    assert served.edition == 2
    assert _events(house, "allocation.created") == 2


def test_the_time_of_a_queued_allocation_runs_from_its_start(house: House) -> None:
    queued = _wait(house, max_duration_hours=1)
    house.clock.forward(hours=3)
    house.node()
    house.serve_queue()
    assert house.find(queued).expires_at == house.now + timedelta(hours=1)


def test_the_queue_is_served_in_order_of_priority_then_time(house: House) -> None:
    names = {
        "low": _wait(house, priority=-1),
        "first": _wait(house),
        "second": _wait(house),
        "high": _wait(house, priority=5),
    }
    house.node(gpus=4)
    served: list[str] = []
    for _ in range(4):
        with house.database.write() as session:
            jobs.serve_queue(session, house.office, now=house.now)
        served += [n for n, i in names.items() if n not in served and not _is_waiting(house, i)]
    assert served == ["high", "first", "second", "low"]


def _is_waiting(house: House, allocation_id: str) -> bool:
    return _phase(house, allocation_id) is Phase.PENDING


def test_who_waits_long_enough_passes_a_higher_priority(house: House) -> None:
    patient = _wait(house)
    house.clock.forward(seconds=601)
    important = _wait(house, priority=1)
    house.node()
    assert house.serve_queue() == 1
    assert not _is_waiting(house, patient)
    assert _is_waiting(house, important)


def test_even_the_last_of_a_long_queue_ages_to_its_front(house: House) -> None:
    patient = _wait(house, priority=-5)
    house.clock.forward(hours=6)
    for _ in range(jobs.AT_ONCE + 1):
        _wait(house, priority=1)
    house.node()
    house.serve_queue()
    assert not _is_waiting(house, patient)


def test_a_later_request_goes_ahead_only_where_it_cannot_delay_the_first(house: House) -> None:
    house.node("n1", gpus=2)
    house.node("n2", gpus=2)
    holders = [house.request() for _ in range(4)]
    by_resource = {h.allocated_resource: h.allocation_id for h in holders}
    big = _wait(house, count=2)
    small = _wait(house)
    house.serve_queue()
    kept = house.find(big).reserved_node
    assert kept in {"n1", "n2"}
    other = "n2" if kept == "n1" else "n1"
    house.release(by_resource[f"{kept}-GPU-00"])
    assert house.serve_queue() == 0, "the free GPU is on the node that the first one keeps"
    assert "kept for requests that wait" in (house.find(small).message or "")
    house.release(by_resource[f"{other}-GPU-00"])
    assert house.serve_queue() == 1
    assert house.find(small).node_name == other
    house.release(by_resource[f"{kept}-GPU-01"])
    assert house.serve_queue() == 1
    assert house.find(big).node_name == kept
    assert house.find(big).reserved_node is None
    with house.database.read() as session:
        check_ledger(session)


def test_a_newcomer_does_not_take_what_the_first_in_line_keeps_unless_it_goes_before_it(
    house: House,
) -> None:
    house.node("n1", gpus=2)
    first, _second = house.request(), house.request()
    big = _wait(house, count=2)
    house.serve_queue()
    house.release(first.allocation_id)
    with pytest.raises(GpuNotAvailable, match="kept for requests that wait"):
        house.request()
    assert house.request(priority=10).phase is Phase.ALLOCATED
    assert _is_waiting(house, big)


def test_the_kept_node_changes_when_it_can_no_longer_serve(house: House) -> None:
    house.node("n1", gpus=2)
    house.request()
    house.request()
    big = _wait(house, count=2)
    house.serve_queue()
    assert house.find(big).reserved_node == "n1"
    with house.database.write() as session:
        node = devices.find_node(session, CLUSTER, "n1")
        devices.set_schedulable(session, node, is_schedulable=False)
    house.node("n2", gpus=2)
    house.request(priority=5)
    house.serve_queue()
    assert house.find(big).reserved_node == "n2"


def test_only_the_first_in_line_keeps_a_node(house: House) -> None:
    house.node("n1", gpus=2)
    house.node("n2", gpus=2)
    for _ in range(4):
        house.request()
    big = _wait(house, count=2)
    house.serve_queue()
    bigger = _wait(house, count=2, priority=9)
    house.serve_queue()
    assert house.find(bigger).reserved_node is not None
    assert house.find(big).reserved_node is None


def test_waiting_ends_when_its_time_is_over(house: House) -> None:
    assert _metric(house, "gpu_allocation_failures_total", reason="wait-expired") == 0
    house.node()
    house.request()
    queued = _wait(house, wait_seconds=60)
    house.serve_queue()
    house.clock.forward(seconds=59)
    house.end_of_time()
    assert _is_waiting(house, queued)
    house.clock.forward(seconds=1)
    house.end_of_time()
    house.end_of_time()
    failed = house.find(queued)
    assert (failed.phase, failed.failure_reason) == (Phase.FAILED, "wait-expired")
    assert failed.released_at == house.now
    assert "nothing fitted while it waited" in (failed.message or "")
    assert failed.reserved_node is None
    assert _events(house, "allocation.failed") == 1
    assert _metric(house, "gpu_allocation_failures_total", reason="wait-expired") == 1
    assert house.release(queued).phase is Phase.FAILED, "what failed is not released"


def test_the_first_whose_waiting_ended_keeps_no_node(house: House) -> None:
    house.node(gpus=2)
    first, _ = house.request(), house.request()
    _wait(house, count=2, wait_seconds=60)
    house.serve_queue()
    house.clock.forward(seconds=61)
    house.end_of_time()
    house.release(first.allocation_id)
    assert house.request().phase is Phase.ALLOCATED


def test_slices_wait_in_the_same_line(house: House) -> None:
    house.node(model=A100, layout=[])
    holder = house.request(use_mig=True, required_memory_gb=80)
    queued = _wait(house, use_mig=True, required_memory_gb=10, count=2)
    house.serve_queue()
    house.release(holder.allocation_id)
    assert house.serve_queue() == 1
    assert len(house.find(queued).resources) == 2
    with house.database.read() as session:
        check_ledger(session)


def test_an_empty_queue_is_no_change(house: House) -> None:
    assert house.serve_queue() == 0
    house.end_of_time()
    with house.database.read() as session:
        assert session.scalars(select(Cluster.revision)).one() == 0


def test_who_would_pass_the_quota_of_its_team_waits_and_others_are_served(house: House) -> None:
    house.office = Office(house.office.placer, checks=(admit_team,), aging_seconds=600)
    with house.database.write() as session:
        team = {"team_id": "small", "name": "s", "namespaces": [], "gpu_limit_milli": 1000}
        session.add(Team(**team, created_at=house.now, updated_at=house.now))
    house.node("n1")
    held = house.request(team_id="small")
    over = _wait(house, team_id="small", priority=5)
    other = _wait(house)
    house.node("n2", gpus=2)
    house.serve_queue()
    assert _is_waiting(house, over)
    assert "may hold 1 GPU" in (house.find(over).message or "")
    assert not _is_waiting(house, other)
    house.release(held.allocation_id)
    house.serve_queue()
    assert not _is_waiting(house, over)


def test_a_queued_request_is_asked_again_as_it_came(house: House) -> None:
    asked: dict[str, Any] = {
        "count": 2,
        "cpu_milli": 1,
        "memory_mib": 2,
        "user_id": "u",
        "team_id": "t",
        "model_preference": ("a", "b"),
        "node_selector": (("x", "y"),),
        "priority": 3,
    }
    queued = _wait(house, **asked)
    again = jobs.ask_of(house.find(queued))
    assert {name: getattr(again, name) for name in asked} == asked


def test_a_queued_request_that_was_released_by_another_replica_is_not_served(
    house: House,
) -> None:
    queued = _wait(house)
    house.node()
    with house.database.read() as session:
        assert session.get_one(Allocation, queued).phase is Phase.PENDING
    house.release(queued)
    assert house.serve_queue() == 0
