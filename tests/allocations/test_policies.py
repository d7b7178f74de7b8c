import pytest

from gpu_management.allocations.candidates import Refusal
from gpu_management.allocations.fleet import Fleet, NodeRow
from gpu_management.allocations.placement import Decision, Request
from gpu_management.allocations.policies import NAMES, UnknownPolicy, policy_named
from tests.support.fleets import fleet_of


def with_cpu(fleet: Fleet, cores: int) -> Fleet:
    """Give every node of a fleet so many free cores."""
    for rank, name in enumerate(list(fleet.node_keys)):
        fleet.upsert_node(NodeRow(name, rank, cpu_milli_free=cores * 1000, memory_mib_free=10_000))
    return fleet


def place(name: str, fleet: Fleet, request: Request, likely: list[Request]) -> Decision:
    """Return where a policy places a request that fits."""
    found = policy_named(name, likely, seed=1).place(fleet, request)
    assert isinstance(found, Decision)
    return found


@pytest.mark.parametrize("name", NAMES)
def test_every_policy_places_what_fits_and_refuses_what_does_not(name: str) -> None:
    fleet = with_cpu(fleet_of({"a": [1000, 300], "b": [1000, 1000]}), 8)
    likely = [Request(milli=300), Request(gpus=2), Request(gpus=0)]
    for request in likely:
        found = place(name, fleet, request, likely)
        assert len(found.devices) == request.gpus
    assert isinstance(policy_named(name, likely, seed=1).place(fleet, Request(gpus=3)), Refusal)


def test_best_fit_takes_the_fullest_node_and_on_it_the_fullest_device() -> None:
    fleet = with_cpu(fleet_of({"a": [1000] * 4, "b": [700, 500], "c": [1000] * 4}), 8)
    assert place("best-fit", fleet, Request(milli=400), []).devices == (5,)


def test_fgd_keeps_devices_whole_for_the_typical_request() -> None:
    fleet = with_cpu(fleet_of({"a": [1000, 1000], "b": [400, 1000]}), 8)
    likely = [Request()] * 9 + [Request(milli=400)]
    assert place("fgd", fleet, Request(milli=400), likely).devices == (2,)


def test_fgd_keeps_up_with_a_fleet_that_changes() -> None:
    fleet = with_cpu(fleet_of({"a": [1000, 1000], "b": [400, 1000]}), 8)
    likely = [Request()] * 9 + [Request(milli=400)]
    policy = policy_named("fgd", likely, seed=1)
    first = policy.place(fleet, Request(milli=400))
    fleet.take("b", [2], milli=400)
    second = policy.place(fleet, Request(milli=400))
    assert isinstance(first, Decision)
    assert isinstance(second, Decision)
    assert (first.devices, second.devices) == ((2,), (0,))


def test_random_repeats_itself_with_the_same_seed() -> None:
    fleet = fleet_of({f"n{number}": [1000] for number in range(50)})
    places = {place("random", fleet, Request(), []).node for _ in range(3)}
    assert len(places) == 1


def test_an_unknown_policy_is_refused_with_the_names_there_are() -> None:
    with pytest.raises(UnknownPolicy, match="'tetris'; there are ours, best-fit, fgd, random"):
        policy_named("tetris", [], seed=1)
