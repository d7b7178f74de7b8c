"""GPU nodes from slices, labels and capacity."""

from gpu_management.cluster.inventory import FoundInstance, FoundNode, Source, read_inventory
from tests.cluster.test_labels import PLAIN
from tests.support.kube import A100_NAME, gpu, gpu_slice, mig, node


def only(*things: object, slices: list[dict[str, object]] | None = None) -> FoundNode:
    [found] = read_inventory(things, slices or [])  # type: ignore[arg-type]
    return found


def test_slices_alone_are_enough():
    found = only(node(), slices=[gpu_slice("n1", [gpu(1, "GPU-b"), gpu(0, "GPU-a")])])
    assert found.source is Source.SLICES
    assert found.devices is not None
    assert [(d.minor, d.uuid, d.product_name) for d in found.devices] == [
        (0, "GPU-a", A100_NAME),
        (1, "GPU-b", A100_NAME),
    ]
    assert (found.cpu_milli, found.memory_mib, found.ip) == (64_000, 524_288, "10.1.0.7")
    assert (found.driver_version, found.note) == ("580.65.6", None)


def test_slices_win_over_labels():
    found = only(node(labels=PLAIN), slices=[gpu_slice("n1", [gpu(0, "GPU-a")])])
    assert found.source is Source.SLICES
    assert found.devices is not None
    assert len(found.devices) == 1


def test_labels_alone_tell_models_without_identity():
    found = only(node(labels=PLAIN))
    assert found.source is Source.LABELS
    assert found.devices is not None
    assert len(found.devices) == 8
    assert {d.uuid for d in found.devices} == {None}
    assert "not which pod" in (found.note or "")


def test_labels_of_the_single_strategy_leave_the_number_of_cards_unknown():
    labels = {**PLAIN, "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB-MIG-1g.10gb"}
    found = only(node(labels=labels, capacity={"nvidia.com/gpu": "56"}))
    assert found.devices is None
    assert "MIG devices" in (found.note or "")


def test_capacity_alone_is_a_count_and_says_so():
    found = only(node(capacity={"nvidia.com/gpu": "4"}))
    assert found.source is Source.CAPACITY
    assert found.devices is not None
    assert len(found.devices) == 4
    assert "only a count" in (found.note or "")


def test_shared_capacity_alone_counts_no_cards():
    found = only(node(capacity={"nvidia.com/gpu.shared": "40"}))
    assert found.devices is None


def test_ordinary_nodes_are_no_part_of_it():
    assert read_inventory([node()], []) == []
    assert read_inventory([node(capacity={"nvidia.com/gpu": "0"})], []) == []


def test_an_incomplete_pool_tells_nothing_about_what_is_missing():
    found = only(node(), slices=[gpu_slice("n1", [gpu(0, "GPU-a")], count=3)])
    assert found.devices is None


def test_a_card_cut_statically_is_known_by_its_slices():
    slices = [
        mig(0, "GPU-a", "3g.40gb", start=4, uuid="MIG-2", slices=4),
        mig(0, "GPU-a", "3g.40gb", start=0, uuid="MIG-1", slices=4),
    ]
    found = only(node(), slices=[gpu_slice("n1", [*slices, gpu(1, "GPU-b")])])
    assert found.devices is not None
    cut, whole = found.devices
    assert (cut.uuid, cut.minor, cut.is_mig, cut.is_dynamic) == ("GPU-a", 0, True, False)
    assert cut.instances == (
        FoundInstance("MIG-1", "3g.40gb", 0),
        FoundInstance("MIG-2", "3g.40gb", 4),
    )
    assert (whole.uuid, whole.is_mig, whole.instances) == ("GPU-b", False, ())


def test_a_card_that_can_be_cut_on_demand_is_whole_until_then():
    possible = [mig(0, "GPU-a", "1g.10gb", start=n) for n in range(7)]
    found = only(node(), slices=[gpu_slice("n1", [gpu(0, "GPU-a"), *possible])])
    assert found.devices is not None
    [card] = found.devices
    assert (card.is_dynamic, card.is_mig, card.instances) == (True, False, ())


def test_taints_of_a_device_say_why_it_cannot_work():
    def fault(key: str, effect: str = "NoSchedule", value: str | None = None) -> str | None:
        taint = {"key": f"gpu.nvidia.com/{key}", "effect": effect, "value": value}
        found = only(node(), slices=[gpu_slice("n1", [gpu(0, "GPU-a", taints=[taint])])])
        assert found.devices is not None
        return found.devices[0].fault

    assert fault("xid", value="79") == "XID 79"
    assert fault("gpu-lost") == "gpu-lost"
    assert fault("xid", effect="None", value="31") is None
    assert fault("unmonitored") is None


def test_a_cordoned_or_unready_node_says_so():
    slices = [gpu_slice("n1", [gpu(0, "GPU-a")])]
    assert not only(node(unschedulable=True), slices=slices).is_schedulable
    assert not only(node(ready="Unknown"), slices=slices).is_ready
    assert only(node(), slices=slices).is_ready
