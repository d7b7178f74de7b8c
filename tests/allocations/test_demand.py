import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_management.allocations.demand import Demand
from gpu_management.allocations.fleet import NodeRow
from gpu_management.allocations.placement import Request
from gpu_management.allocations.share_prices import gap_values
from tests.support.fleets import fleet_of


def test_a_share_is_worth_the_part_of_a_device_it_costs_to_serve() -> None:
    worth = gap_values({810: 30, 470: 20, 330: 10})
    assert worth[[0, 100, 190, 470, 810, 1000]] == pytest.approx([0, 0, 0, 0.5, 1, 1])


def test_three_thirds_fill_a_device() -> None:
    worth = gap_values({333: 1})
    assert worth[[333, 666, 999]] == pytest.approx([1 / 3, 2 / 3, 1])


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.integers(1, 999), st.integers(1, 50), min_size=1, max_size=8))
def test_a_larger_gap_is_never_worth_less_and_a_device_is_worth_at_most_itself(
    counts: dict[int, int],
) -> None:
    worth = gap_values(counts)
    assert (np.diff(worth) >= 0).all()
    assert worth[1000] == pytest.approx(1.0)


def test_without_shares_a_gap_is_worth_nothing() -> None:
    assert not gap_values({1000: 5}).any()


def test_a_mix_follows_what_is_asked_now() -> None:
    demand = Demand()
    before = demand.mix
    for _ in range(255):
        demand.learn(Request(milli=250, cpu_milli=1000))
    assert demand.mix is before
    demand.learn(Request(milli=250, cpu_milli=1000))
    assert demand.mix.gap_value[250] == pytest.approx(0.25)
    assert demand.mix.cores_per_gpu > 3


def test_old_requests_count_less_and_few_shapes_are_kept() -> None:
    demand = Demand()
    for number in range(3000):
        demand.learn(Request(cpu_milli=number))
    weights = {shape.cpu_milli: weight for shape, weight in demand.mix.weights.items()}
    assert len(weights) < 1100
    assert weights[2900] > weights[2400] > 0


def test_cores_are_short_only_when_likely_requests_need_more_than_there_are() -> None:
    demand = Demand.of([Request(cpu_milli=8000)])
    short = {}
    for cores in (8, 16, 40):
        fleet = fleet_of({"a": [1000, 1000]})
        fleet.upsert_node(NodeRow("a", 0, cpu_milli_free=cores * 1000))
        short[cores] = Demand.of([Request(cpu_milli=8000)]).outlook(fleet).cpu_shortage
    assert short == {8: 1.0, 16: pytest.approx(0.5), 40: 0.0}
    assert demand.outlook(fleet_of({"unknown": [1000]})).cpu_shortage == 0.0


def test_an_outlook_is_renewed_when_the_fleet_has_changed_enough() -> None:
    fleet = fleet_of({"a": [1000] * 8})
    demand = Demand.of([Request(gpus=8)])
    first = demand.outlook(fleet)
    assert demand.outlook(fleet) is first
    for _ in range(25):
        fleet.take("a", [0], milli=1000)
        fleet.give("a", [0], milli=1000)
    assert demand.outlook(fleet) is not first
