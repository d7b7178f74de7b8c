import pytest

from gpu_management.collector.nvml import Node, NvmlUnavailable, Process, nvml
from gpu_management.metrics.readings import Target
from tests.support.nvml import FakeGpu, FakeInstance, FakeNvml


def look(*gpus: FakeGpu) -> Node:
    with nvml(FakeNvml(*gpus)) as opened:
        return opened.look(node_name="n1")


def test_a_gpu_is_read_in_our_units() -> None:
    (reading,) = look(FakeGpu("GPU-a")).readings
    assert reading.target == Target("GPU-a")
    assert reading.node_name == "n1"
    assert reading.driver_version == "570.148.08"
    assert reading.gpu_util_pct == 50
    assert reading.memory_used_mib == 1000
    assert reading.power_w == 300
    assert reading.temperature_celsius == 40
    assert reading.encoder_util_pct == 7
    assert reading.pcie_tx_bytes_per_second == 10 * 1024
    assert reading.remap_failed is False


def test_what_the_model_does_not_support_is_unknown_and_not_zero() -> None:
    gpu = FakeGpu("GPU-a", util=None, used_mib=None, temperature=None, power_mw=None, rows=None)
    (reading,) = look(gpu).readings
    assert reading.gpu_util_pct is None
    assert reading.utilization_pct is None
    assert reading.memory_used_mib is None
    assert reading.temperature_celsius is None
    assert reading.power_w is None
    assert reading.remap_failed is None
    assert reading.decoder_util_pct is None


def test_a_mig_instance_has_its_own_memory_and_an_unknown_load() -> None:
    gpu = FakeGpu("GPU-a", util=None, instances=[FakeInstance(2, 500), FakeInstance(9)])
    whole, first, second = look(gpu).readings
    assert whole.target == Target("GPU-a")
    assert first.target == Target("GPU-a", 2)
    assert first.memory_used_mib == 500
    assert first.utilization_pct is None
    assert second.target == Target("GPU-a", 9)


def test_a_gpu_that_fell_off_the_bus_leaves_the_others_readable() -> None:
    node = look(FakeGpu("GPU-a"), FakeGpu("GPU-b", lost=True), FakeGpu("GPU-c"))
    assert [reading.target.uuid for reading in node.readings] == ["GPU-a", "GPU-c"]
    assert node.lost == [1]


def test_processes_are_told_with_how_busy_each_was_since_the_last_look() -> None:
    fake = FakeNvml(FakeGpu("GPU-a", processes=[(11, 100), (12, 200)], busy={11: 30}))
    with nvml(fake) as opened:
        first = opened.look(node_name="n1")
        opened.look(node_name="n1")
    assert first.processes[Target("GPU-a")] == [Process(11, 100, 30), Process(12, 200, 0)]
    assert fake.asked_since == [0, 100]


def test_without_process_statistics_how_busy_a_process_was_is_unknown() -> None:
    node = look(FakeGpu("GPU-a", processes=[(11, 100)]))
    assert node.processes[Target("GPU-a")] == [Process(11, 100, None)]


def test_nvml_is_closed_again_and_a_refusal_says_what_to_look_at() -> None:
    fake = FakeNvml(FakeGpu("GPU-a"))
    with nvml(fake):
        assert fake.open == 1
    assert fake.open == 0
    with pytest.raises(NvmlUnavailable, match="driver's library"), nvml(FakeNvml(starts=False)):
        pass


def test_the_real_nvml_reads_the_gpus_of_this_machine() -> None:
    try:
        with nvml() as opened:
            node = opened.look(node_name="here")
    except NvmlUnavailable as reason:
        pytest.skip(f"no GPU here: {reason}")
    assert node.readings
    assert all(reading.target.uuid.startswith("GPU-") for reading in node.readings)
    assert all(reading.memory_used_mib is not None for reading in node.readings)
