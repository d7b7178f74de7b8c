"""What the demonstration's teams ask for: it follows from the seed and from nothing else."""

from datetime import timedelta
from itertools import pairwise

from gpu_management.simulate import demand
from gpu_management.simulate.demo_fleet import PEOPLE, POOL_LABEL, ROWS, TEAMS
from gpu_management.simulate.demo_work import KINDS
from tests.support.apps import NOON

WEEK = timedelta(days=7)


def arrivals(
    seed: int = 1, since: timedelta = timedelta(), until: timedelta = WEEK
) -> list[demand.Arrival]:
    return demand.arrivals(seed, NOON + since, NOON + until, brief=False, people=PEOPLE)


def test_the_same_seed_asks_for_the_same() -> None:
    assert arrivals(1) == arrivals(1)
    assert arrivals(1) != arrivals(2)


def test_a_stretch_has_the_same_arrivals_whole_or_in_parts() -> None:
    day = timedelta(days=1)
    cut = timedelta(hours=7, minutes=13, seconds=5)
    assert arrivals(until=day) == arrivals(until=cut) + arrivals(since=cut, until=day)


def test_arrivals_are_in_order() -> None:
    assert all(before.at <= after.at for before, after in pairwise(arrivals()))


def test_as_many_arrive_as_run_on_average() -> None:
    expected = sum(kind.per_hour for kind in KINDS if not kind.brief) * 7 * 24
    assert abs(len(arrivals()) - expected) < 0.25 * expected


def test_a_life_is_known_by_the_name_of_the_pod() -> None:
    one = arrivals()[0]
    kind = demand.kind_of(one.kind.namespace, one.pod_name)
    assert kind is one.kind
    assert demand.life_of(1, kind, one.pod_name) == demand.life_of(1, kind, one.pod_name)
    assert demand.kind_of("elsewhere", "somebody-abc") is None


def test_every_kind_has_a_team_a_namespace_of_it_and_a_pool() -> None:
    teams = {team.team_id: team for team in TEAMS}
    pools = {row.pool for row in ROWS}
    for kind in KINDS:
        assert kind.namespace in teams[kind.team].namespaces
        assert kind.pool in pools


def test_only_large_work_waits() -> None:
    large = demand.large_request(1, NOON, people=PEOPLE)
    assert demand.ask_of(large, pool_label=POOL_LABEL, may_wait=True).wait_seconds
    assert demand.ask_of(large, pool_label=POOL_LABEL, may_wait=False).wait_seconds is None
