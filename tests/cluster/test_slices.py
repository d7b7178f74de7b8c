"""ResourceSlices of the DRA driver."""

from gpu_management.cluster.slices import read_pools, start_of
from tests.support.kube import A100_NAME, gpu, gpu_slice, mig


def test_a_card_is_known_by_its_uuid_model_and_place():
    [pool] = read_pools([gpu_slice("n1", [gpu(3, "GPU-aa")])])
    [card] = pool.devices
    assert (pool.node, pool.is_complete) == ("n1", True)
    assert (card.kind, card.uuid, card.minor) == ("gpu", "GPU-aa", 3)
    assert (card.product_name, card.memory_mib) == (A100_NAME, 81920)
    assert (card.pci_bus_id, card.driver_version) == ("0000:04:00.0", "580.65.6")
    assert card.cuda_version == "13.0.0"


def test_an_attribute_with_the_drivers_domain_is_the_same_attribute():
    card = gpu(0, "GPU-aa")
    card["attributes"]["gpu.nvidia.com/uuid"] = card["attributes"].pop("uuid")
    [pool] = read_pools([gpu_slice("n1", [card])])
    assert pool.devices[0].uuid == "GPU-aa"


def test_only_the_newest_generation_of_a_pool_counts():
    old = gpu_slice("n1", [gpu(0, "GPU-old")], generation=1)
    new = gpu_slice("n1", [gpu(0, "GPU-new")], generation=2)
    [pool] = read_pools([new, old])
    assert [device.uuid for device in pool.devices] == ["GPU-new"]


def test_a_pool_with_missing_slices_is_not_complete():
    [pool] = read_pools([gpu_slice("n1", [gpu(0, "GPU-aa")], count=2)])
    assert not pool.is_complete


def test_one_slice_per_card_makes_one_pool():
    slices = [gpu_slice("n1", [gpu(n, f"GPU-{n}")], name=f"n1-{n}", count=2) for n in range(2)]
    [pool] = read_pools(slices)
    assert pool.is_complete
    assert [device.uuid for device in pool.devices] == ["GPU-0", "GPU-1"]


def test_slices_of_other_drivers_and_without_a_node_are_not_ours():
    elsewhere = gpu_slice("n1", [gpu(0, "GPU-aa")])
    del elsewhere["spec"]["nodeName"]
    assert read_pools([gpu_slice("n1", [], driver="nic.example.com"), elsewhere]) == []


def test_a_slice_of_shared_counters_without_devices_is_fine():
    counters = gpu_slice("n1", [], name="counters", count=2)
    del counters["spec"]["devices"]
    counters["spec"]["sharedCounters"] = [{"name": "gpu-0-counter-set", "counters": {}}]
    [pool] = read_pools([counters, gpu_slice("n1", [gpu(0, "GPU-aa")], count=2)])
    assert pool.is_complete
    assert len(pool.devices) == 1


def test_a_static_mig_device_tells_its_place_by_its_memory_slices():
    told = mig(0, "GPU-aa", "3g.40gb", start=4, uuid="MIG-1", slices=4, name="gpu-0-mig-x-9-0")
    [pool] = read_pools([gpu_slice("n1", [told])])
    [device] = pool.devices
    assert (device.uuid, device.parent_uuid, device.profile) == ("MIG-1", "GPU-aa", "3g.40gb")
    assert (device.placement_start, device.has_memory_slices) == (4, True)


def test_a_dynamic_mig_device_has_no_uuid_and_tells_its_place_by_name():
    [pool] = read_pools([gpu_slice("n1", [mig(0, "GPU-aa", "1g.10gb", start=3)])])
    [device] = pool.devices
    assert device.uuid is None
    assert (device.placement_start, device.has_memory_slices) == (3, False)


def test_both_forms_of_names_tell_the_start():
    assert start_of("gpu-0-mig-1g10gb-15-3") == 3
    assert start_of("gpu-0-mig-1g10gb.me-20-0") == 0
    assert start_of("gpu-1-mig-19-4-1") == 4
    assert start_of("gpu-1") is None


def test_taints_of_devices_are_read():
    taint = {"key": "gpu.nvidia.com/xid", "value": "79", "effect": "NoSchedule"}
    [pool] = read_pools([gpu_slice("n1", [gpu(0, "GPU-aa", taints=[taint])])])
    [found] = pool.devices[0].taints
    assert (found.key, found.value, found.effect) == ("gpu.nvidia.com/xid", "79", "NoSchedule")
