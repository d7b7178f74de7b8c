"""What pods ask for."""

from typing import Any

import pytest

from gpu_management.cluster.pods import pods_with_gpus, read_pod
from tests.support.kube import pod


def test_a_pod_tells_what_it_asks_for_and_whose_it_is():
    owner = {"kind": "Job", "name": "train-1", "controller": True}
    found = read_pod(pod(node_name="n1", limits={"nvidia.com/gpu": "2"}, ownerReferences=[owner]))
    assert found.key == ("ml", "train")
    assert (found.node, found.gpu_resources) == ("n1", {"nvidia.com/gpu": 2})
    assert (found.owner_kind, found.owner_name) == ("Job", "train-1")
    assert not found.is_over


def test_init_containers_count_when_they_are_greedier_and_sidecars_always():
    def container(count: int, **more: Any) -> dict[str, Any]:
        return {"name": "x", "resources": {"limits": {"nvidia.com/gpu": str(count)}}, **more}

    thing = pod()
    thing["spec"]["containers"] = [container(1), container(1)]
    thing["spec"]["initContainers"] = [container(4)]
    assert read_pod(thing).gpu_resources == {"nvidia.com/gpu": 4}
    thing["spec"]["initContainers"] = [container(1, restartPolicy="Always")]
    assert read_pod(thing).gpu_resources == {"nvidia.com/gpu": 3}


def test_claims_by_name_by_template_and_of_extended_resources_are_all_found():
    thing = pod(claims=["mine"])
    thing["spec"]["resourceClaims"].append({"name": "t", "resourceClaimTemplateName": "big"})
    thing["status"]["resourceClaimStatuses"] = [{"name": "t", "resourceClaimName": "train-t-x"}]
    thing["status"]["extendedResourceClaimStatus"] = {"resourceClaimName": "train-ext"}
    assert read_pod(thing).claim_names == ("mine", "train-ext", "train-t-x")


def test_a_pod_that_ended_holds_nothing():
    assert read_pod(pod(phase="Succeeded")).is_over
    assert read_pod(pod(phase="Failed")).is_over


def test_an_annotation_names_the_allocation():
    annotations = {"gpu.company.com/allocation-id": "a-1"}
    assert read_pod(pod(annotations=annotations)).allocation_id == "a-1"


def test_pods_without_gpus_are_left_out():
    assert pods_with_gpus([pod(), pod("g", limits={"nvidia.com/gpu": "1"})])[0].name == "g"
    assert pods_with_gpus([pod(limits={"cpu": "1"})]) == []


@pytest.mark.parametrize(
    ("kind", "name", "labels", "workload"),
    [
        ("ReplicaSet", "web-7d9f", {"pod-template-hash": "7d9f"}, ("Deployment", "web")),
        ("ReplicaSet", "web-7d9f", {}, ("ReplicaSet", "web-7d9f")),
        ("Job", "nightly-29384720", {}, ("CronJob", "nightly")),
        ("Job", "train-42", {}, ("Job", "train-42")),
        ("StatefulSet", "db", {}, ("StatefulSet", "db")),
    ],
)
def test_a_pod_is_part_of_the_workload_that_somebody_wrote(
    kind: str, name: str, labels: dict[str, str], workload: tuple[str, str]
):
    thing = pod("p", labels=labels)
    thing["metadata"]["ownerReferences"] = [{"kind": kind, "name": name, "controller": True}]
    found = read_pod(thing)
    assert (found.owner_kind, found.owner_name) == workload
