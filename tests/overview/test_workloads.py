from decimal import Decimal

import pytest
from fastapi.testclient import TestClient
from hypothesis import given
from hypothesis import strategies as st

from gpu_management.allocations.models import WorkloadType
from gpu_management.auth.access import Role
from gpu_management.auth.principals import Principal
from gpu_management.overview import workloads
from gpu_management.overview.workloads import FEWEST, Offer, cheapest, quantile
from tests.support.house import A100, T4, House
from tests.support.principals import ADMIN, principal

PATH = "/api/v1/gpu/workload-profiles"


def live(house: House, number: int, *, minutes: int, **asked: object) -> None:
    for _ in range(number):
        made = house.request(**asked)
        house.clock.forward(minutes=minutes)
        house.release(made.allocation_id)


def test_typical_memory_and_duration_come_from_what_was_placed(
    house: House, client: TestClient
) -> None:
    house.node("n1", gpus=1, model=T4)
    house.node("n2", gpus=1, model=A100)
    live(house, 9, minutes=10, required_memory_gb=8)
    live(house, 2, minutes=60, required_memory_gb=40)
    training, inference, development = client.get(PATH).json()
    assert training["workloadType"] == "Training"
    assert training["sampleSize"] == training["finished"] == 11
    assert (training["typicalMemoryGb"], training["largeMemoryGb"]) == (8, 40)
    assert training["typicalDurationSeconds"] == 600
    assert training["longDurationSeconds"] == 3600
    assert training["recommendedModelId"] == A100
    assert training["recommendedCostPerHour"] > 0
    for other in (inference, development):
        assert other["sampleSize"] == 0
        assert other["typicalMemoryGb"] is other["recommendedModelId"] is None


def test_too_few_are_not_called_typical(house: House, client: TestClient) -> None:
    house.node()
    live(house, FEWEST - 1, minutes=1, required_memory_gb=8)
    training = client.get(PATH).json()[0]
    assert training["sampleSize"] == FEWEST - 1
    assert training["typicalMemoryGb"] is training["typicalDurationSeconds"] is None
    assert training["recommendedModelId"] is None


def test_a_slice_is_recommended_where_cards_are_cut_and_it_is_cheaper(house: House) -> None:
    house.node("n1", gpus=1, model=A100)
    house.node("n2", gpus=1, model=A100, layout=[])
    live(house, FEWEST, minutes=1, required_memory_gb=9, workload_type=WorkloadType.INFERENCE)
    with house.database.read() as session:
        found = workloads.profiles(session, house.desk, days=90, principal=ADMIN, now=house.now)
    inference = next(one for one in found if one["workload_type"] is WorkloadType.INFERENCE)
    assert (inference["recommended_model_id"], inference["recommended_profile"]) == (
        A100,
        "1g.10gb",
    )


def test_a_user_learns_from_its_own_team_only_and_old_days_do_not_count(house: House) -> None:
    house.node()
    live(house, FEWEST, minutes=1, team_id="ml")
    live(house, FEWEST + 1, minutes=1, team_id="other")
    user = principal(Role.USER, team="ml")

    def sample(by: Principal) -> int:
        with house.database.read() as session:
            found = workloads.profiles(session, house.desk, days=7, principal=by, now=house.now)
        return sum(one["sample_size"] for one in found)

    assert (sample(user), sample(ADMIN)) == (FEWEST, 2 * FEWEST + 1)
    house.clock.forward(days=8)
    assert sample(ADMIN) == 0


@pytest.mark.parametrize(("memory_gb", "name"), [(8, "small"), (20, "middle"), (90, None)])
def test_the_cheapest_offer_with_enough_memory_wins(memory_gb: int, name: str | None) -> None:
    offers = [
        Offer("large", None, 80, Decimal(4)),
        Offer("middle", None, 40, Decimal(2)),
        Offer("small", None, 16, Decimal(1)),
        Offer("unpriced", None, 200, None),
    ]
    found = cheapest(offers, memory_gb)
    assert (found and found.model_id) == name


@given(st.lists(st.integers(0, 1000), min_size=1), st.sampled_from([0.5, 0.9]))
def test_a_quantile_is_a_value_that_the_share_does_not_pass(
    values: list[int], share: float
) -> None:
    found = quantile(values, share)
    assert found in values
    assert sum(value <= found for value in values) >= share * len(values)
    assert sum(value < found for value in values) < share * len(values) + 1e-9
