import pytest
from hypothesis import given, settings

from gpu_management.allocations.demand import Demand
from gpu_management.allocations.fleet import DeviceRow, Fleet, NodeRow
from gpu_management.allocations.placement import Decision, Refusal, Request, decide
from tests.support.fleets import Cluster, add_node, clusters, fleet_of, requests


def placed(fleet: Fleet, request: Request, demand: Demand | None = None) -> Decision:
    """Return the decision, which must be one."""
    found = decide(fleet, request, demand or Demand())
    assert isinstance(found, Decision), found.sentence
    return found


def refused(fleet: Fleet, request: Request) -> Refusal:
    """Return the refusal, which must be one."""
    found = decide(fleet, request, Demand())
    assert isinstance(found, Refusal)
    return found


@settings(max_examples=400, deadline=None)
@given(clusters(), requests())
def test_what_fits_somewhere_is_placed_where_it_fits_and_nothing_else_is(
    cluster: Cluster, request_: Request
) -> None:
    found = decide(cluster.fleet(), request_, Demand())
    assert isinstance(found, Decision) == cluster.fits_somewhere(request_)
    if isinstance(found, Decision):
        rows = {device.key: device for device in cluster.devices}
        assert cluster.fits(request_, found.node)
        assert len(set(found.devices)) == request_.gpus
        assert all(rows[key].node == found.node for key in found.devices)
        assert all(cluster.serves(request_, rows[key]) for key in found.devices)


@settings(max_examples=200, deadline=None)
@given(clusters(), requests())
def test_the_parts_of_a_score_add_up_and_each_refused_device_has_one_reason(
    cluster: Cluster, request_: Request
) -> None:
    found = decide(cluster.fleet(), request_, Demand())
    if isinstance(found, Decision):
        assert found.score == pytest.approx(sum(found.parts.values()))
    elif request_.gpus:
        assert sum(lack.devices for lack in found.lacks) == len(cluster.devices)
    else:
        assert sum(lack.nodes for lack in found.lacks) == len(cluster.nodes)


@settings(max_examples=100, deadline=None)
@given(clusters(), requests())
def test_the_same_fleet_gives_the_same_answer(cluster: Cluster, request_: Request) -> None:
    first, second = (decide(cluster.fleet(), request_, Demand()) for _ in range(2))
    assert first == second


def test_a_share_goes_into_the_gap_it_fills_and_leaves_whole_devices_whole() -> None:
    fleet = fleet_of({"a": [1000, 1000], "b": [500, 1000]})
    assert placed(fleet, Request(milli=500)).devices == (2,)


def test_equal_places_go_to_the_lowest_rank_then_the_lowest_index() -> None:
    fleet = fleet_of({"a": [], "b": [1000, 1000]})
    add_node(fleet, "c", [1000, 1000], rank=-1)
    assert placed(fleet, Request(gpus=1)).node == "c"
    assert placed(fleet_of({"a": [1000, 1000]}), Request(milli=200)).devices == (0,)


def test_cores_that_gpus_will_need_are_left_to_them() -> None:
    fleet = Fleet()
    add_node(fleet, "tight", [1000, 1000], cpu_milli_free=20_000)
    add_node(fleet, "ample", [1000, 1000], cpu_milli_free=200_000)
    demand = Demand.of([Request(cpu_milli=10_000)])
    assert placed(fleet, Request(gpus=0, cpu_milli=8_000), demand).node == "ample"


def test_nodes_stay_whole_when_requests_for_all_of_one_are_expected() -> None:
    fleet = fleet_of({"large": [1000] * 8, "small": [1000] * 2})
    demand = Demand.of([Request(gpus=8), Request(gpus=1)])
    assert placed(fleet, Request(gpus=1), demand).node == "small"


def test_a_model_that_others_must_have_is_left_to_them() -> None:
    fleet = fleet_of({"a": [1000] * 2}, model_id="A100")
    add_node(fleet, "b", [1000] * 2)
    only_a100 = Request(models=frozenset({"A100"}))
    demand = Demand.of([only_a100, Request()])
    assert placed(fleet, Request(), demand).node == "b"


@pytest.mark.parametrize(
    ("field", "less", "more"), [("price_micros", 350_000, 3_000_000), ("memory_gb", 24, 80)]
)
def test_the_cheaper_or_smaller_device_wins_where_packing_is_equal(
    field: str, less: int, more: int
) -> None:
    fleet = Fleet()
    add_node(fleet, "more", [1000], model_id="A", **{field: more})
    add_node(fleet, "less", [1000], model_id="B", **{field: less})
    assert placed(fleet, Request()).node == "less"


def test_a_preferred_model_wins_and_another_serves_when_it_is_gone() -> None:
    fleet = fleet_of({"a": [1000]}, price_micros=100)
    add_node(fleet, "b", [1000], model_id="H100", price_micros=9_000_000)
    wanted = Request(preferred_models=("H100",))
    assert placed(fleet, wanted).node == "b"
    fleet.remove_node("b")
    assert placed(fleet, wanted).node == "a"


def test_several_gpus_stay_in_one_locality_and_side_by_side() -> None:
    fleet = Fleet()
    fleet.upsert_node(NodeRow("a", 0))
    for index, locality in enumerate("0001111"):
        free_milli = 1000 if index not in {0, 4} else 500
        row = DeviceRow(index, "a", index, "H100", free_milli=free_milli, locality=locality)
        fleet.upsert_device(row)
    assert placed(fleet, Request(gpus=2)).devices == (1, 2)
    assert placed(fleet, Request(gpus=3)).devices == (3, 5, 6)
    assert placed(fleet, Request(gpus=4)).devices == (1, 3, 5, 6)


def test_unknown_cpu_never_refuses_and_known_cpu_does() -> None:
    fleet = fleet_of({"a": [1000]})
    assert placed(fleet, Request(cpu_milli=10_000_000)).node == "a"
    fleet.upsert_node(NodeRow("a", 0, cpu_milli_free=4000))
    assert [lack.reason for lack in refused(fleet, Request(cpu_milli=8000)).lacks] == ["CPU"]


def test_a_refusal_says_what_each_class_of_devices_lacked() -> None:
    fleet = fleet_of({"a": [300, 700]}, memory_gb=80)
    add_node(fleet, "b", [1000], memory_gb=16)
    add_node(fleet, "c", [1000], memory_gb=80, usable=False, unusable_reason="MAINTENANCE")
    add_node(fleet, "d", [1000], memory_gb=80, schedulable=False)
    found = refused(fleet, Request(gpus=1, min_memory_gb=40))
    assert {lack.reason: lack.devices for lack in found.lacks} == {
        "MEMORY": 1,
        "NODE_UNSCHEDULABLE": 1,
        "MAINTENANCE": 1,
        "FREE_MILLI": 2,
    }
    assert found.sentence == (
        "needs 1 whole GPU on one node, of 40 GB; 1 GPU with less memory (largest 16 GB),"
        " 1 GPU on nodes that take nothing new, 1 GPU not usable (MAINTENANCE),"
        " 2 GPUs with too little free (largest 700 of 1000 milli)"
    )
    assert (found.largest_free_milli, found.largest_free_gpus) == (1000, 1)


def test_a_refusal_of_several_gpus_names_the_most_that_a_node_has_free() -> None:
    found = refused(fleet_of({"a": [1000, 1000, 0], "b": [1000]}), Request(gpus=4))
    assert found.explain() == {
        "refusals": [
            {"reason": "FREE_MILLI", "devices": 1, "nodes": 1, "wanted": 1000, "largest": 0},
            {"reason": "FREE_GPUS", "devices": 3, "nodes": 2, "wanted": 4, "largest": 2},
        ],
        "largestFreeMilli": 1000,
        "largestFreeGpus": 2,
    }


def test_an_empty_fleet_refuses_with_a_sentence() -> None:
    assert refused(Fleet(), Request()).sentence == (
        "needs 1 whole GPU on one node; the fleet has no GPU"
    )


@pytest.mark.parametrize("wrong", [{"gpus": 2, "milli": 500}, {"milli": 0}, {"gpus": -1}])
def test_a_request_that_cannot_be_meant_is_refused(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="milli"):
        Request(**wrong)
