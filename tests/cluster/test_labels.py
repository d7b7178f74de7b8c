"""Labels of GPU feature discovery."""

from gpu_management.cluster.labels import read_gpu_labels

PLAIN = {
    "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB",
    "nvidia.com/gpu.count": "8",
    "nvidia.com/gpu.memory": "81920",
    "nvidia.com/gpu.replicas": "1",
    "nvidia.com/mig.strategy": "none",
    "nvidia.com/cuda.driver.major": "580",
    "nvidia.com/cuda.driver.minor": "65",
    "nvidia.com/cuda.driver.rev": "06",
}


def test_plain_cards_are_counted():
    told = read_gpu_labels(PLAIN)
    assert told is not None
    assert (told.product, told.card_count, told.memory_mib) == (
        "NVIDIA-A100-SXM4-80GB",
        8,
        81920,
    )
    assert told.driver_version == "580.65.06"


def test_with_the_single_strategy_the_count_is_never_read_as_cards():
    single = {
        **PLAIN,
        "nvidia.com/gpu.product": "NVIDIA-A100-SXM4-80GB-MIG-1g.10gb",
        "nvidia.com/gpu.count": "56",
        "nvidia.com/gpu.memory": "9728",
        "nvidia.com/mig.strategy": "single",
    }
    told = read_gpu_labels(single)
    assert told is not None
    assert told.product == "NVIDIA-A100-SXM4-80GB"
    assert told.single_profile == "1g.10gb"
    assert told.card_count is None
    assert told.memory_mib is None


def test_a_media_profile_of_the_single_strategy_is_read_whole():
    told = read_gpu_labels({"nvidia.com/gpu.product": "NVIDIA-H100-PCIe-MIG-1g.10gb.me"})
    assert told is not None
    assert (told.product, told.single_profile) == ("NVIDIA-H100-PCIe", "1g.10gb.me")


def test_with_the_mixed_strategy_each_profile_has_its_count():
    mixed = {
        **PLAIN,
        "nvidia.com/mig.strategy": "mixed",
        "nvidia.com/mig-1g.10gb.count": "7",
        "nvidia.com/mig-1g.10gb.memory": "9728",
        "nvidia.com/mig-3g.40gb.count": "2",
    }
    told = read_gpu_labels(mixed)
    assert told is not None
    assert told.card_count == 8
    assert told.mig_counts == {"1g.10gb": 7, "3g.40gb": 2}


def test_time_slicing_multiplies_pods_not_cards():
    shared = {
        **PLAIN,
        "nvidia.com/gpu.product": "Tesla-T4-SHARED",
        "nvidia.com/gpu.replicas": "4",
        "nvidia.com/gpu.count": "2",
    }
    told = read_gpu_labels(shared)
    assert told is not None
    assert (told.product, told.card_count, told.replicas) == ("Tesla-T4", 2, 4)


def test_the_full_driver_version_goes_before_its_parts():
    told = read_gpu_labels({**PLAIN, "nvidia.com/cuda.driver-version.full": "580.65.06-open"})
    assert told is not None
    assert told.driver_version == "580.65.06-open"


def test_a_node_without_these_labels_says_nothing():
    assert read_gpu_labels({"kubernetes.io/hostname": "n1"}) is None
    assert read_gpu_labels({"nvidia.com/gpu.count": "8"}) is None


def test_a_damaged_number_is_unknown_not_zero():
    told = read_gpu_labels({**PLAIN, "nvidia.com/gpu.count": "eight"})
    assert told is not None
    assert told.card_count is None
