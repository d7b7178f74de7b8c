"""The definition of GpuAllocation: the guide's manifests stay valid, larger GPUs are, too."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.controlplane.admin import Admin, until
from tests.controlplane.manifests import K8S, ApiServer, Thing, load

GUIDE_SPEC: dict[str, Thing] = {
    "workloadType": {"type": "string", "enum": ["Training", "Inference", "Development"]},
    "requiredMemoryGb": {"type": "integer", "minimum": 1, "maximum": 80},
    "useMig": {"type": "boolean"},
    "maxDurationHours": {"type": "integer", "minimum": 1, "maximum": 168},
    "costLimit": {"type": "number", "minimum": 0},
}
GUIDE_STATUS: dict[str, Thing] = {
    "phase": {"type": "string", "enum": ["Pending", "Allocated", "Failed", "Released"]},
    "allocatedResource": {"type": "string"},
    "allocationTime": {"type": "string", "format": "date-time"},
    "message": {"type": "string"},
}


def allocation(name: str = "train", **spec: Any) -> Thing:
    plain = {"workloadType": "Training", "requiredMemoryGb": 80, "useMig": False}
    return {
        "apiVersion": "gpu.company.com/v1",
        "kind": "GpuAllocation",
        "metadata": {"name": name, "namespace": "ml"},
        "spec": plain | spec,
    }


def schema() -> Thing:
    [crd] = load(K8S / "crd.yaml")
    [version] = crd["spec"]["versions"]
    told: Thing = version["schema"]["openAPIV3Schema"]["properties"]
    return told


def test_names_and_scope_are_the_published_ones():
    [crd] = load(K8S / "crd.yaml")
    assert crd["metadata"]["name"] == "gpuallocations.gpu.company.com"
    assert crd["spec"]["scope"] == "Namespaced"
    names = crd["spec"]["names"]
    assert (names["kind"], names["singular"]) == ("GpuAllocation", "gpuallocation")
    assert names["shortNames"] == ["gpualloc"]
    assert crd["spec"]["versions"][0]["subresources"] == {"status": {}}


def test_every_field_of_the_guide_allows_at_least_what_it_allowed():
    told = schema()
    assert "required" not in told["spec"]
    for name, rule in GUIDE_SPEC.items():
        ours = {key: told["spec"]["properties"][name].get(key) for key in rule}
        if name == "requiredMemoryGb":
            assert ours["maximum"] >= 192
            ours["maximum"] = rule["maximum"]
        assert ours == rule
    for name, rule in GUIDE_STATUS.items():
        assert {key: told["status"]["properties"][name].get(key) for key in rule} == rule


@pytest.fixture
def served(api_server: ApiServer, admin: Admin) -> Iterator[ApiServer]:
    [crd] = load(K8S / "crd.yaml")
    assert api_server.apply(crd).status_code < 300
    path = "/apis/gpu.company.com/v1/namespaces/ml/gpuallocations"
    until(lambda: api_server.http.get(path).status_code == 200)
    yield api_server
    for thing in api_server.http.get(path).json()["items"]:
        gone = {"metadata": {"finalizers": None}}
        url = f"{path}/{thing['metadata']['name']}"
        api_server.http.request(
            "PATCH", url, json=gone, headers={"Content-Type": "application/merge-patch+json"}
        )
        api_server.http.delete(url)


@pytest.mark.cluster
@pytest.mark.parametrize(
    "spec",
    [
        {},
        {"maxDurationHours": 168, "costLimit": 0},
        {"maxDurationHours": 1, "costLimit": 99.5, "requiredMemoryGb": 1, "useMig": True},
        {"requiredMemoryGb": 192, "count": 8, "teamId": "ml", "podName": "p", "userId": "u@x"},
    ],
)
def test_objects_of_the_guide_and_of_larger_gpus_are_accepted(
    served: ApiServer, spec: dict[str, Any]
):
    answer = served.apply(allocation(**spec), dry_run=True)
    assert answer.status_code == 201, answer.text


@pytest.mark.cluster
def test_an_object_without_a_spec_is_valid_as_it_always_was(served: ApiServer):
    thing = allocation()
    del thing["spec"]
    assert served.apply(thing, dry_run=True).status_code == 201


@pytest.mark.cluster
@pytest.mark.parametrize(
    "spec",
    [
        {"workloadType": "Mining"},
        {"requiredMemoryGb": 0},
        {"requiredMemoryGb": "80"},
        {"maxDurationHours": 169},
        {"costLimit": -1},
        {"useMig": "yes"},
        {"count": 0},
    ],
)
def test_what_the_guide_refuses_is_refused(served: ApiServer, spec: dict[str, Any]):
    answer = served.create(allocation(**spec))
    assert answer.status_code in {400, 422}, answer.text
    assert next(iter(spec)) in answer.text


@pytest.mark.cluster
def test_who_edits_an_object_does_not_write_its_status(served: ApiServer):
    thing = allocation()
    thing["status"] = {"phase": "Allocated"}
    made = served.create(thing)
    assert made.status_code == 201
    assert "status" not in made.json()
