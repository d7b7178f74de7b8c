from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_management.allocations.errors import AllocationInvalid
from gpu_management.allocations.models import WorkloadType
from gpu_management.allocations.request import check
from tests.support.house import ask

GOOD = ["a", "0", "ml-training", "a" * 63]
BAD = ["", "-a", "a-", "A", "a_b", "a.b", "a" * 64, "한글", "a b", "a\n"]


@pytest.mark.parametrize("name", GOOD)
def test_a_dns_label_is_a_namespace(name: str) -> None:
    check(ask(namespace=name))


@pytest.mark.parametrize("name", BAD)
def test_what_is_no_dns_label_is_no_namespace(name: str) -> None:
    with pytest.raises(AllocationInvalid) as refused:
        check(ask(namespace=name))
    (fault,) = refused.value.errors
    assert (fault.field, fault.rule, fault.rejected) == ("namespace", "dns-1123-label", name[:80])


@pytest.mark.parametrize("name", ["a", "a.b-c.d", "0", "a" * 253])
def test_a_dns_subdomain_is_a_pod_name(name: str) -> None:
    check(ask(pod_name=name))


@pytest.mark.parametrize("name", ["", ".", "a..b", "a.", "-a", "A", "a" * 254, "a/b", "a\n"])
def test_what_is_no_dns_subdomain_is_no_pod_name(name: str) -> None:
    with pytest.raises(AllocationInvalid) as refused:
        check(ask(pod_name=name))
    assert refused.value.errors[0].rule == "dns-1123-subdomain"


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"gpu_milli": 500, "use_mig": True}, "gpuMilli"),
        ({"gpu_milli": 500, "count": 2}, "count"),
        ({"model_preference": ("t4", "t4")}, "modelPreference"),
    ],
)
def test_what_contradicts_itself_is_refused_with_its_field(
    changes: dict[str, Any], field: str
) -> None:
    with pytest.raises(AllocationInvalid) as refused:
        check(ask(**changes))
    assert [fault.field for fault in refused.value.errors] == [field]


def test_every_fault_is_told_at_once() -> None:
    with pytest.raises(AllocationInvalid) as refused:
        check(ask(namespace="A", pod_name="B", gpu_milli=1, use_mig=True))
    assert [fault.field for fault in refused.value.errors] == ["namespace", "podName", "gpuMilli"]


def test_without_a_share_a_whole_gpu_is_asked_for() -> None:
    assert ask().milli == 1000
    assert ask(gpu_milli=1).milli == 1


CHANGES: dict[str, Any] = {
    "namespace": "other",
    "pod_name": "other",
    "workload_type": WorkloadType.INFERENCE,
    "required_memory_gb": 17,
    "use_mig": True,
    "count": 2,
    "gpu_milli": 1000,
    "cpu_milli": 1,
    "memory_mib": 1,
    "user_id": "u",
    "team_id": "t",
    "model_preference": ("t4",),
    "node_selector": (("zone", "a"),),
    "priority": 1,
    "max_duration_hours": 1,
    "cost_limit": Decimal(1),
    "wait_seconds": 1,
}


@pytest.mark.parametrize("field", CHANGES)
def test_equal_requests_have_one_fingerprint_and_any_change_another(field: str) -> None:
    plain = ask()
    assert plain.fingerprint() == ask().fingerprint()
    assert replace(plain, **{field: CHANGES[field]}).fingerprint() != plain.fingerprint()


@given(st.text(max_size=70))
def test_any_text_is_either_accepted_or_refused_with_a_reason(text: str) -> None:
    try:
        check(ask(namespace=text, pod_name=text))
        assert text.isascii()
        assert len(text) <= 63
    except AllocationInvalid:
        assert not text.isalnum() or text != text.lower() or not text.isascii() or len(text) > 63
