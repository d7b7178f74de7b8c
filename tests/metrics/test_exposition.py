import os
from pathlib import Path

import pytest

from gpu_management.metrics.exposition import ExpositionInvalid, owner_of, read_exposition
from gpu_management.metrics.readings import Owner, Reading, Target

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("GPU_MANAGEMENT_TEST_DATA", ROOT.parent / "shared" / "data")) / "dcgm"


def row(name: str, value: object, **labels: str) -> str:
    told = {"gpu": "0", "UUID": "GPU-a", **labels}
    inside = ",".join(f'{key}="{text}"' for key, text in told.items() if text)
    return f"{name}{{{inside}}} {value}"


def read(*rows: str) -> list[Reading]:
    return read_exposition("\n".join(rows) + "\n")


def one(*rows: str) -> Reading:
    (reading,) = read(*rows)
    return reading


def test_the_node_is_found_under_its_old_and_its_new_label() -> None:
    assert one(row("DCGM_FI_DEV_GPU_UTIL", 5, Hostname="n1")).node_name == "n1"
    assert one(row("DCGM_FI_DEV_GPU_UTIL", 5, hostname="n1")).node_name == "n1"


@pytest.mark.parametrize("blank", ["9223372036854775794", "9223372036854775792", "NaN", "+Inf"])
def test_a_blank_value_is_unknown_and_not_a_number(blank: str) -> None:
    reading = one(row("DCGM_FI_DEV_GPU_TEMP", blank), row("DCGM_FI_DEV_GPU_UTIL", 5))
    assert reading.temperature_celsius is None
    assert reading.gpu_util_pct == 5


def test_a_counter_is_read_with_or_without_total() -> None:
    name = "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION"
    assert one(f"# TYPE {name} counter", row(name, 12)).energy_mj == 12
    assert one(row(f"{name}_total", 12)).energy_mj == 12


def test_a_row_repeated_for_each_pod_counts_once_and_names_both() -> None:
    reading = one(
        row("DCGM_FI_DEV_POWER_USAGE", 300, pod="a", namespace="x", container="c"),
        row("DCGM_FI_DEV_POWER_USAGE", 300, pod="b", namespace="y"),
    )
    assert reading.power_w == 300
    assert reading.owners == [Owner("x", "a", "c"), Owner("y", "b")]


def test_a_mig_instance_is_another_target_than_its_gpu() -> None:
    found = read(
        row("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 0.5, GPU_I_ID="2", GPU_I_PROFILE="3g.20gb"),
        row("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 0.25, GPU_I_ID="3", GPU_I_PROFILE="2g.10gb"),
        row("DCGM_FI_DEV_GPU_TEMP", 40),
    )
    assert [reading.target for reading in found] == [
        Target("GPU-a", 2),
        Target("GPU-a", 3),
        Target("GPU-a"),
    ]
    assert [reading.utilization_pct for reading in found] == [50, 25, None]
    assert found[0].profile_name == "3g.20gb"
    assert found[0].gpu_util_pct is None


def test_the_better_measure_of_utilization_comes_first() -> None:
    gpu_util = row("DCGM_FI_DEV_GPU_UTIL", 100)
    engine = row("DCGM_FI_PROF_GR_ENGINE_ACTIVE", 0.5)
    sm = row("DCGM_FI_PROF_SM_ACTIVE", 0.25)
    assert one(gpu_util).utilization_pct == 100
    assert one(gpu_util, engine).utilization_pct == 50
    assert one(gpu_util, engine, sm).utilization_pct == 25
    assert one(row("DCGM_FI_DEV_GPU_TEMP", 30)).utilization_pct is None


def test_xid_errors_are_a_code_and_the_counts_are_by_code() -> None:
    reading = one(
        row("DCGM_FI_DEV_XID_ERRORS", 48, err_code="48", err_msg="DBE"),
        row("DCGM_EXP_XID_ERRORS_COUNT", 1, xid="48"),
        row("DCGM_EXP_XID_ERRORS_COUNT", 2, xid="63"),
        row("DCGM_EXP_CLOCK_EVENTS_COUNT", 14, clock_event="hw_thermal"),
        row("DCGM_FI_DEV_ROW_REMAP_FAILURE", 1),
    )
    assert reading.last_xid == 48
    assert reading.xid_counts == {48: 1, 63: 2}
    assert reading.clock_events == {"hw_thermal": 14}
    assert reading.remap_failed is True


def test_a_link_level_row_is_of_the_gpu_it_names() -> None:
    labels = 'nvlink="0",gpu_uuid="GPU-a",model_name="NVIDIA H100"'
    reading = one(f"DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL{{{labels}}} 7")
    assert reading.target == Target("GPU-a")
    assert reading.model_name == "NVIDIA H100"


def test_what_is_unknown_is_left_out() -> None:
    assert read(row("DCGM_FI_DEV_SOMETHING_NEW", 1)) == []
    assert read("DCGM_FI_DEV_GPU_UTIL 5") == []
    assert read("go_goroutines 12", "# a comment") == []


@pytest.mark.parametrize(
    ("labels", "owner"),
    [
        ({"pod": "", "namespace": ""}, None),
        ({"pod": "p", "namespace": "n", "container": "c"}, Owner("n", "p", "c")),
        ({"pod_name": "p", "pod_namespace": "n"}, Owner("n", "p")),
        (
            {"pod": "dcgm-x", "namespace": "mon", "exported_pod": "p", "exported_namespace": "n"},
            Owner("n", "p"),
        ),
        ({"pod": "p", "namespace": "n", "pod_uid": "u"}, Owner("n", "p", pod_uid="u")),
    ],
)
def test_the_pod_is_found_under_every_name_it_goes_by(
    labels: dict[str, str], owner: Owner | None
) -> None:
    assert owner_of(labels) == owner


def test_text_that_is_no_exposition_is_refused() -> None:
    with pytest.raises(ExpositionInvalid, match="no Prometheus exposition"):
        read_exposition("<html>503</html>\n")


def test_a_whole_node_is_read() -> None:
    file = DATA / "a100-mixed-mig-node.prom"
    if not file.is_file():
        pytest.skip(f"the sample is not in {DATA.name}: set GPU_MANAGEMENT_TEST_DATA")
    found = {reading.target: reading for reading in read_exposition(file.read_text())}
    assert len(found) == 11
    slices = [reading for reading in found.values() if reading.profile_name]
    assert [reading.profile_name for reading in slices] == [
        "3g.20gb",
        "2g.10gb",
        "1g.5gb",
        "1g.5gb",
    ]
    assert [len(reading.owners) for reading in slices] == [1, 1, 1, 0]
    assert {reading.temperature_celsius for reading in slices} == {45}
    assert all(reading.energy_mj for reading in found.values())
