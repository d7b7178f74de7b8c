import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_management.allocations.fleet import DeviceRow, Fleet, NodeRow
from tests.support.fleets import Cluster, clusters, fleet_of


def columns_of(fleet: Fleet) -> dict[str, tuple[int, ...]]:
    """Return what each node's columns say, by name."""
    nodes = fleet.nodes
    return {
        name: (int(nodes.cpu_milli[at]), int(nodes.free_milli[at]), int(nodes.free_gpus[at]))
        for name in fleet.node_keys
        if (at := fleet.find_node(name)) is not None
    }


@settings(max_examples=50, deadline=None)
@given(clusters(), st.data())
def test_a_fleet_that_was_changed_says_what_a_new_one_says(
    cluster: Cluster, data: st.DataObject
) -> None:
    fleet = cluster.fleet()
    for device in cluster.devices:
        fleet.upsert_device(
            DeviceRow(device.key, device.node, device.index, "B200", free_milli=123)
        )
    gone = [device.key for device in cluster.devices if data.draw(st.booleans())]
    for key in gone:
        fleet.remove_device(key)
    for device in cluster.devices:
        fleet.upsert_device(device)
    assert columns_of(fleet) == columns_of(cluster.fleet())
    assert fleet.device_count == len(cluster.devices)


def test_what_is_given_back_is_free_again() -> None:
    fleet = fleet_of({"a": [1000, 1000]})
    before = columns_of(fleet)
    fleet.take("a", [0, 1], milli=1000, cpu_milli=8000, memory_mib=100)
    assert fleet.nodes.free_gpus[0] == 0
    assert fleet.free_milli(0) == 0
    fleet.give("a", [0, 1], milli=1000, cpu_milli=8000, memory_mib=100)
    assert columns_of(fleet) == before


def test_a_device_that_is_not_usable_counts_for_nothing_on_its_node() -> None:
    fleet = fleet_of({"a": [1000, 500]}, usable=False, unusable_reason="FAILED")
    assert (fleet.nodes.free_milli[0], fleet.nodes.free_gpus[0]) == (0, 0)
    assert fleet.free_milli(1) == 500


def test_removing_a_node_removes_its_devices_and_its_place_is_used_again() -> None:
    fleet = fleet_of({"a": [1000], "b": [1000]})
    fleet.remove_node("a")
    assert (fleet.node_count, fleet.device_count, fleet.find_device(0)) == (1, 1, None)
    fleet.upsert_node(NodeRow("c", 7))
    assert fleet.node_rows == 2
    assert fleet.nodes.free_gpus[fleet.find_node("c") or 0] == 0


def test_a_device_may_move_to_another_node() -> None:
    fleet = fleet_of({"a": [1000], "b": []})
    fleet.upsert_device(DeviceRow(0, "b", 0, "T4", free_milli=1000))
    assert columns_of(fleet)["a"][1:] == (0, 0)
    assert columns_of(fleet)["b"][1:] == (1000, 1)


def test_a_selector_follows_labels_that_change() -> None:
    fleet = fleet_of({"a": [], "b": []})
    fleet.upsert_node(NodeRow("a", 0, labels={"zone": "x"}))
    assert fleet.selected({"zone": "x"}).tolist() == [True, False]
    fleet.upsert_node(NodeRow("b", 1, labels={"zone": "x"}))
    assert fleet.selected({"zone": "x"}).tolist() == [True, True]


def test_columns_grow_and_keep_what_they_held() -> None:
    fleet = fleet_of({f"n{number}": [number] for number in range(300)})
    assert fleet.devices.free_milli[:300].tolist() == list(range(300))
    assert np.count_nonzero(fleet.nodes.present) == 300


def test_a_device_of_an_unknown_node_is_refused() -> None:
    with pytest.raises(KeyError):
        Fleet().upsert_device(DeviceRow(1, "nowhere", 0, "T4", free_milli=1000))
