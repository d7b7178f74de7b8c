"""Resource claims: ours, and those of others."""

import pytest

from gpu_management.cluster.claims import Pin, claim_name, pinned_claim, read_claim
from tests.support.kube import claimed


def test_a_card_is_pinned_by_its_uuid():
    claim = pinned_claim("a-1", "ml", [Pin(uuid="GPU-a")], owner={"team-id": "t"})
    [request] = claim["spec"]["devices"]["requests"]
    assert request["exactly"]["deviceClassName"] == "gpu.nvidia.com"
    [selector] = request["exactly"]["selectors"]
    assert "uuid == 'GPU-a'" in selector["cel"]["expression"]
    assert claim["metadata"]["annotations"] == {"gpu.company.com/team-id": "t"}


def test_a_static_slice_is_pinned_by_its_own_uuid_and_a_dynamic_one_by_its_place():
    static = Pin(uuid="MIG-1", profile="1g.10gb")
    assert "uuid == 'MIG-1'" in static.selector()
    dynamic = Pin(parent_uuid="GPU-a", profile="1g.10gb", start=3).selector()
    assert "parentUUID == 'GPU-a'" in dynamic
    assert "profile == '1g.10gb'" in dynamic
    assert "'memorySlice3' in" in dynamic


def test_slices_come_from_the_class_of_slices():
    claim = pinned_claim("a-1", "ml", [Pin(uuid="MIG-1", profile="1g.10gb")], owner={})
    [request] = claim["spec"]["devices"]["requests"]
    assert request["exactly"]["deviceClassName"] == "mig.nvidia.com"


def test_several_devices_are_several_requests_of_one_claim():
    claim = pinned_claim("a-1", "ml", [Pin(uuid="GPU-a"), Pin(uuid="GPU-b")], owner={})
    names = [request["name"] for request in claim["spec"]["devices"]["requests"]]
    assert names == ["gpu-0", "gpu-1"]


@pytest.mark.parametrize("uuid", ["it's", "back\\slash", "' || true || '"])
def test_no_uuid_can_say_anything_else_than_itself(uuid: str):
    expression = Pin(uuid=uuid).selector()
    quoted = expression.partition("== ")[2]
    inner = quoted[1:-1].replace("\\\\", "").replace("\\'", "")
    assert "'" not in inner


def test_a_claim_is_read_back_as_ours():
    made = read_claim(pinned_claim("a-1", "ml", [Pin(uuid="GPU-a")], owner={}))
    assert made.is_ours
    assert (made.allocation_id, made.key) == ("a-1", ("ml", claim_name("a-1")))
    assert made.selectors == (Pin(uuid="GPU-a").selector(),)
    assert (made.devices, made.pod_names) == ((), ())


def test_what_a_claim_got_and_who_uses_it_is_read():
    found = read_claim(claimed("theirs", "gpu-3", pods=["train"]))
    assert not found.is_ours
    assert [(d.pool, d.device, d.is_admin) for d in found.devices] == [("n1", "gpu-3", False)]
    assert (found.pod_names, found.pod_uids) == (("train",), ("uid-train",))


def test_access_for_monitoring_is_told_from_an_allocation():
    found = read_claim(claimed("dcgm", "gpu-3", is_admin=True))
    assert found.devices[0].is_admin


def test_a_deleted_claim_that_a_pod_keeps_says_so():
    thing = claimed("theirs", "gpu-3", pods=["train"])
    thing["metadata"]["deletionTimestamp"] = "2026-03-02T12:00:00Z"
    assert read_claim(thing).is_deleted
