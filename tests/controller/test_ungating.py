"""Where nothing is given out behind our gate, no pod waits there."""

from typing import Any

import pytest

from gpu_management.allocations.enforcement import EnforcementMode, Rules
from gpu_management.cluster.claims import claim_name
from gpu_management.cluster.pods import ALLOCATION_GATE
from gpu_management.cluster.protocol import Kind
from gpu_management.controller.ungating import Ungater
from tests.support.clusters import Yard
from tests.support.house import House
from tests.support.kube import pod

HOSTNAME = "kubernetes.io/hostname"


def put(yard: Yard, *gates: str, **told: Any) -> None:
    thing = pod("train", phase=told.pop("phase", "Pending"), **told)
    thing["spec"]["schedulingGates"] = [{"name": gate} for gate in gates]
    yard.cluster.put(Kind.POD, thing)


def run(yard: Yard, *pinned: str) -> int:
    return ungater(yard, yard.house.office.enforcement).run(pinned)


def ungater(yard: Yard, rules: Rules) -> Ungater:
    return Ungater(yard.cluster, yard.mirror, rules)  # type: ignore[arg-type]


def spec(yard: Yard) -> dict[str, Any]:
    return dict(yard.cluster.get(Kind.POD, "train", namespace="ml")["spec"])


@pytest.mark.parametrize("mode", ["dra", "observe"])
def test_a_pod_behind_our_gate_is_let_go_and_other_gates_stay(house: House, mode: str):
    yard = Yard(house, mode=mode)
    put(yard, ALLOCATION_GATE, "quota", limits={"nvidia.com/gpu": "1"})
    assert run(yard) == 1
    assert spec(yard)["schedulingGates"] == [{"name": "quota"}]
    assert "nodeSelector" not in spec(yard)
    assert run(yard) == 0


def test_a_pod_with_our_claim_is_told_its_node(house: House):
    yard = Yard(house)
    made = house.request()
    yard.enforce()
    put(yard, ALLOCATION_GATE, claims=[claim_name(made.allocation_id)])
    assert run(yard) == 1
    assert spec(yard)["nodeSelector"] == {HOSTNAME: "n1"}


def test_a_pod_with_a_claim_that_is_not_there_yet_or_names_a_host_is_let_go(house: House):
    yard = Yard(house)
    made = house.request()
    put(yard, ALLOCATION_GATE, claims=[claim_name(made.allocation_id)])
    assert run(yard) == 1
    assert "nodeSelector" not in spec(yard)
    yard.enforce()
    put(yard, ALLOCATION_GATE, claims=[claim_name(made.allocation_id)])
    patch = {"spec": {"nodeSelector": {HOSTNAME: "mine"}}}
    yard.cluster.merge(Kind.POD, "train", patch, namespace="ml")
    assert run(yard) == 1
    assert spec(yard)["nodeSelector"] == {HOSTNAME: "mine"}


def test_where_pods_are_pinned_they_go_on_waiting(house: House):
    yard = Yard(house, namespaces={"ml": EnforcementMode.DEVICE_PLUGIN})
    put(yard, ALLOCATION_GATE)
    assert run(yard) == 0


def test_pods_of_allocations_from_before_the_mode_changed_are_left_to_the_pinner(house: House):
    yard = Yard(house, mode="device-plugin")
    made = house.request()
    note = {"gpu.company.com/allocation-id": made.allocation_id}
    put(yard, ALLOCATION_GATE, limits={"nvidia.com/gpu": "2"}, annotations=note)
    yard.bind(after_seconds=5)
    yard.pin()
    assert made.allocation_id in yard.pinner.known
    assert ungater(yard, Rules(EnforcementMode.DRA)).run(yard.pinner.known) == 0
    assert ungater(yard, Rules(EnforcementMode.DRA)).run(()) == 1


def test_pods_that_are_over_hinder_nothing(house: House):
    yard = Yard(house)
    put(yard, ALLOCATION_GATE, phase="Failed")
    assert run(yard) == 0


def test_a_missing_right_is_told_once_and_the_pod_goes_when_it_is_there(
    house: House, caplog: pytest.LogCaptureFixture
):
    yard = Yard(house)
    put(yard, ALLOCATION_GATE)
    yard.cluster.forbidden.add(("patch", Kind.POD))
    worker = ungater(yard, yard.house.office.enforcement)
    assert [worker.run(()), worker.run(())] == [0, 0]
    assert caplog.text.count("has to wait") == 1
    yard.cluster.forbidden.clear()
    assert worker.run(()) == 1
