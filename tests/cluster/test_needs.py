"""What pods ask for, as the scheduler counts it, and what nodes have."""

from typing import Any

import pytest

from gpu_management.cluster.needs import Use, read_needs, read_room, read_use
from tests.support.kube import node, pod


def container(
    cpu: str | None = None, memory: str | None = None, *, limit: bool = False, **more: Any
) -> dict[str, Any]:
    told = {name: value for name, value in (("cpu", cpu), ("memory", memory)) if value}
    resources = {"requests": told, "limits": told} if limit else {"requests": told}
    return {"name": "c", "resources": resources, **more}


def asked(spec: dict[str, Any], phase: str = "Running") -> Any:
    thing = pod("p", phase=phase)
    thing["spec"] = {"nodeName": "n1", **spec}
    return read_needs(thing)


def test_containers_ask_together():
    found = asked({"containers": [container("250m", "1Gi"), container("1", "512Mi")]})
    assert (found.cpu_milli, found.memory_mib) == (1250, 1536)
    assert (found.namespace, found.name, found.node, found.phase) == ("ml", "p", "n1", "Running")


def test_the_greediest_start_counts_where_it_is_more():
    spec = {"containers": [container("1", "1Gi")], "initContainers": [container("3", "512Mi")]}
    found = asked(spec)
    assert (found.cpu_milli, found.memory_mib) == (3000, 1024)


def test_a_sidecar_runs_beside_what_comes_after_it():
    sidecar = container("1", restartPolicy="Always")
    spec = {"containers": [container("1")], "initContainers": [sidecar, container("2")]}
    assert asked(spec).cpu_milli == 3000
    assert asked({**spec, "containers": [container("4")]}).cpu_milli == 5000


def test_the_overhead_of_a_pod_is_asked_for_as_well():
    spec = {"containers": [container("1", limit=True)], "overhead": {"cpu": "250m"}}
    assert (asked(spec).cpu_milli, asked(spec).cpu_limit_milli) == (1250, 1250)


def test_what_a_pod_asks_for_as_a_whole_stands_for_its_containers():
    spec = {"containers": [container("4")], "resources": {"requests": {"cpu": "2"}}}
    assert asked(spec).cpu_milli == 2000


def test_a_limit_alone_is_also_a_request():
    spec = {"containers": [{"name": "c", "resources": {"limits": {"cpu": "2"}}}]}
    assert (asked(spec).cpu_milli, asked(spec).cpu_limit_milli) == (2000, 2000)


def test_one_container_without_a_limit_leaves_the_pod_without():
    both = [container("1", "1Gi", limit=True), container("1", "1Gi", limit=True)]
    assert asked({"containers": both}).memory_limit_mib == 2048
    assert asked({"containers": [*both, container("1")]}).memory_limit_mib is None
    assert asked({"containers": []}).cpu_limit_milli is None


def test_fractions_of_a_mebibyte_are_asked_for_whole():
    assert asked({"containers": [container(memory="1k")]}).memory_mib == 1


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_what_is_over_needs_nothing(phase: str):
    assert asked({"containers": [container("1")]}, phase) is None


def test_gpus_of_the_device_plugin_are_counted():
    thing = pod("p", limits={"nvidia.com/gpu": "2", "nvidia.com/mig-1g.10gb": "1"})
    found = read_needs(thing)
    assert found is not None
    assert (found.gpus, found.node) == (3, None)


def test_a_node_tells_what_pods_may_ask_for():
    thing = node("n1", unschedulable=True)
    thing["status"]["allocatable"] = {"cpu": "63500m", "memory": "500Gi", "pods": "110"}
    room = read_room(thing)
    assert (room.cpu_capacity_milli, room.cpu_milli) == (64_000, 63_500)
    assert (room.memory_capacity_mib, room.memory_mib) == (512 * 1024, 500 * 1024)
    assert (room.is_ready, room.is_schedulable, room.pods) == (True, False, 110)


def test_use_of_a_pod_is_that_of_its_containers():
    told = [{"name": "a", "usage": {"cpu": "12500000n", "memory": "1Mi"}}] * 2
    assert read_use({"metadata": {"name": "p"}, "containers": told}) == Use(25, 2)
    usage = {"cpu": "1500m", "memory": "2048Ki"}
    assert read_use({"metadata": {"name": "n"}, "usage": usage}) == Use(1500, 2)
