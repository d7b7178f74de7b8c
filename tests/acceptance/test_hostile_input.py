"""Input that once broke an answer: found by the fuzz test, kept as single sentences."""

from typing import Any

import pytest

from tests.support.server import LiveServer

REQUEST: dict[str, Any] = {
    "namespace": "ml",
    "podName": "p",
    "workloadType": "Training",
    "requiredMemoryGb": 40,
}


@pytest.mark.parametrize("name", ["\x1f", "a\r\nb", "", "𐀀", "\ud83d\ude00 x"])
def test_odd_names_of_unknown_fields_do_not_lose_the_answer(live: LiveServer, name: str) -> None:
    body = REQUEST | {name: 1}
    assert live.call("POST", "/api/v1/gpu/allocations/simulate", body)[0] == 200


def test_an_integer_of_any_length_is_refused_as_a_field(live: LiveServer) -> None:
    body = REQUEST | {"requiredMemoryGb": 10**30}
    status, problem = live.call("POST", "/api/v1/gpu/allocations", body)
    assert status == 422
    assert problem["errors"][0]["field"] == "requiredMemoryGb"


def test_early_years_are_written_with_four_digits(live: LiveServer) -> None:
    path = "/api/v1/gpu/devices/gpu-worker-2-GPU-00"
    live.ask("PUT", path, {"warrantyUntil": "0119-09-22T17:49:06.1Z"})
    assert live.ask("GET", path)["warrantyUntil"] == "0119-09-22T17:49:06.100Z"
