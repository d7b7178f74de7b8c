from pathlib import Path

import pytest

from gpu_management.collector.cgroups import by_pod, pod_uid_of
from gpu_management.collector.nvml import Process
from gpu_management.metrics.readings import PodUse

UID = "0a1b2c3d-1111-2222-3333-444455556666"
OTHER = "ffffffff-1111-2222-3333-444455556666"


@pytest.mark.parametrize(
    "cgroup",
    [
        f"0::/kubepods/burstable/pod{UID}/0123456789abcdef",
        f"11:memory:/kubepods/pod{UID}/abc\n10:cpu:/kubepods/pod{UID}/abc",
        "0::/kubepods.slice/kubepods-besteffort.slice/kubepods-besteffort-pod"
        f"{UID.replace('-', '_')}.slice/cri-containerd-0123.scope",
        f"0::/../../kubepods-pod{UID.replace('-', '_')}.slice/crio-1.scope",
    ],
)
def test_a_pod_is_found_whatever_driver_made_the_group(cgroup: str) -> None:
    assert pod_uid_of(cgroup) == UID


@pytest.mark.parametrize("cgroup", ["", "0::/user.slice/session-1.scope", "0::/kubepods/podx"])
def test_a_process_outside_of_pods_has_none(cgroup: str) -> None:
    assert pod_uid_of(cgroup) is None


def test_processes_of_a_pod_add_up_and_an_unknown_one_makes_the_sum_unknown(
    tmp_path: Path,
) -> None:
    for pid, uid in ((1, UID), (2, UID), (3, OTHER), (4, None)):
        (tmp_path / str(pid)).mkdir()
        group = f"0::/kubepods/pod{uid}/c" if uid else "0::/init.scope"
        (tmp_path / str(pid) / "cgroup").write_text(group)
    told = [
        Process(1, 100, 20),
        Process(2, 50, 30),
        Process(3, None, None),
        Process(4, 10, 5),
        Process(99, 10, 5),
    ]
    assert by_pod(told, proc=tmp_path) == [PodUse(UID, 50, 150), PodUse(OTHER, None, None)]
