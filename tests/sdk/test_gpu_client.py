"""The Python SDK: against a real server, and how it retries on one that fails."""

import inspect
import json
import re
from collections.abc import Callable, Iterator
from urllib.parse import unquote

import httpx2
import pytest
import stamina

from gpu_client import GpuApiError, GPUManagementClient, GpuNotAvailable, GpuUnreachable
from tests.support.server import LiveServer

REQUEST = {
    "namespace": "sdk-tests",
    "podName": "train",
    "workloadType": "Training",
    "requiredMemoryGb": 40,
}
DONE = {"allocationId": "a-1", "allocatedResource": "n-GPU-00", "costPerHour": 1.5}


@pytest.fixture(autouse=True)
def without_pauses() -> Iterator[None]:
    """Retry at once."""
    with stamina.set_testing(True, attempts=4):
        yield


def _client(
    *answers: Callable[[httpx2.Request], httpx2.Response],
) -> tuple[GPUManagementClient, list[httpx2.Request]]:
    """Return a client of a server that answers this and then that, and what it was sent."""
    seen: list[httpx2.Request] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return answers[min(len(seen), len(answers)) - 1](request)

    transport = httpx2.MockTransport(answer)
    return GPUManagementClient("http://gpu.test", "key-1", transport=transport), seen


def _says(status: int, body: object, **headers: str) -> Callable[[httpx2.Request], httpx2.Response]:
    return lambda _request: httpx2.Response(status, json=body, headers=headers)


def _breaks(kind: type[httpx2.TransportError]) -> Callable[[httpx2.Request], httpx2.Response]:
    def fail(request: httpx2.Request) -> httpx2.Response:
        raise kind("broken", request=request)

    return fail


BUSY = _says(503, {"code": "SERVICE_UNAVAILABLE", "detail": "later"}, **{"Retry-After": "1"})


def test_an_allocation_is_repeated_under_one_key() -> None:
    client, seen = _client(_breaks(httpx2.ReadError), BUSY, _says(200, DONE))
    assert client.allocate_gpu(REQUEST) == DONE
    keys = [request.headers["idempotency-key"] for request in seen]
    assert len(keys) == 3
    assert len(set(keys)) == 1
    assert json.loads(seen[2].content) == REQUEST


def test_what_may_not_be_repeated_is_not() -> None:
    client, seen = _client(_breaks(httpx2.ReadError))
    with pytest.raises(GpuUnreachable):
        client.extend_allocation("a-1", 1)
    assert len(seen) == 1


def test_what_never_left_is_repeated() -> None:
    client, seen = _client(_breaks(httpx2.ConnectError), _says(200, {}))
    client.extend_allocation("a-1", 1)
    assert len(seen) == 2


def test_a_busy_server_is_an_error_in_the_end() -> None:
    client, seen = _client(BUSY)
    with pytest.raises(GpuApiError, match="later") as refused:
        client.get_cluster_overview()
    assert refused.value.status == 503
    assert len(seen) == 4


def test_an_error_that_is_no_problem_document_still_tells() -> None:
    client, _ = _client(lambda _: httpx2.Response(502, text="<html>Bad Gateway"))
    with pytest.raises(GpuApiError, match="Bad Gateway"):
        client.get_gpu_devices()


def test_the_key_and_the_plain_style_are_sent() -> None:
    client, seen = _client(_says(200, []))
    client.get_gpu_devices("n 1")
    assert seen[0].headers["authorization"] == "Bearer key-1"
    assert seen[0].headers["x-gpu-envelope"] == "false"
    assert seen[0].url.params["nodeName"] == "n 1"


def test_names_fill_one_segment() -> None:
    client, seen = _client(_says(200, {}))
    client.get_gpu_device("../x?y")
    assert seen[0].url.raw_path == b"/api/v1/gpu/devices/..%2Fx%3Fy"


def test_the_whole_life_of_an_allocation(live: LiveServer) -> None:
    with GPUManagementClient(live.url) as client:
        assert client.simulate_allocation(REQUEST)["fits"]
        with client.allocated(REQUEST | {"maxDurationHours": 1}) as taken:
            found = client.get_allocation(taken["allocationId"], wait_for="Allocated")
            assert found["phase"] == "Allocated"
            client.extend_allocation(taken["allocationId"], 1)
            (held,) = client.list_allocations(namespace="sdk-tests", phase="Allocated")
            assert held["allocationId"] == taken["allocationId"]
        assert client.get_allocation(taken["allocationId"])["phase"] == "Released"


def test_several_are_taken_together(live: LiveServer) -> None:
    with GPUManagementClient(live.url) as client:
        taken = client.allocate_gpus([REQUEST, REQUEST])
        assert len({one["allocatedResource"] for one in taken}) == 2
        for one in taken:
            client.release_gpu(one["allocationId"])


def test_a_refusal_carries_what_the_candidates_lacked(live: LiveServer) -> None:
    with GPUManagementClient(live.url) as client, pytest.raises(GpuNotAvailable) as refused:
        client.allocate_gpu(REQUEST | {"count": 8})
    assert (refused.value.status, refused.value.code) == (409, "GPU_NOT_AVAILABLE")
    assert {reason["reason"] for reason in refused.value.refusals} >= {"MEMORY"}


def test_the_inventory_is_kept_through_the_client(live: LiveServer) -> None:
    with GPUManagementClient(live.url) as client:
        made = client.register_device(
            {"nodeName": "sdk-node", "deviceIndex": 0, "modelId": "a100-sxm4-80gb"}
        )
        device = made["deviceId"]
        client.enable_mig(device)
        client.create_mig_instance(device, "1g.10gb")
        (slice_,) = client.list_mig_instances(deviceId=device)
        client.destroy_mig_instance(slice_["migId"])
        assert client.apply_mig_layout(device, [], dry_run=True)["applied"] is False
        client.disable_mig(device)
        client.update_device(device, {"driverVersion": "570.1"})
        client.start_maintenance(device, "fan")
        client.end_maintenance(device)
        client.set_device_state(device, "FAILED", "XID 79")
        assert client.get_device_health(device)["health"] == "FAILED"
        assert len(client.get_device_history(device)) == 4
        client.update_node("sdk-node", {"zone": "a"})
        client.cordon_node("sdk-node")
        client.uncordon_node("sdk-node")
        assert client.get_node("sdk-node")["zone"] == "a"
        client.delete_device(device)


def test_the_rest_of_the_api_is_there(live: LiveServer) -> None:
    with GPUManagementClient(live.url) as client:
        assert client.whoami()["kind"] == "anonymous"
        assert client.list_models()
        assert client.list_nodes()
        assert client.get_statistics()["total"] >= 6
        assert client.list_mig_profiles(modelId="a100-sxm4-80gb")
        assert client.set_rate({"modelId": "a30", "costPerHour": 1})["currency"] == "USD"
        assert client.list_rates(modelId="a30")
        assert client.list_events(limit=1)
        assert client.list_audit(limit=1)
        key = client.create_api_key({"name": "sdk", "roles": ["VIEWER"]})
        assert key["keyId"] in {row["keyId"] for row in client.list_api_keys()}
        client.revoke_api_key(key["keyId"])
        client.create_team({"teamId": "sdk", "name": "SDK"})
        assert "sdk" in {team["teamId"] for team in client.list_teams()}


def test_a_budget_is_kept_through_the_client(live: LiveServer) -> None:
    with GPUManagementClient(live.url) as client:
        made = client.create_budget({"scope": "user", "scopeName": "sdk", "amount": 5})
        changed = client.update_budget(made["id"], {"amount": 7})
        assert (changed["amount"], changed["action"]) == (7, "warn")
        assert client.get_budget(made["id"])["status"]["spent"] == 0
        assert [row["id"] for row in client.list_budgets(scopeName="sdk")] == [made["id"]]
        assert client.list_budget_notices(made["id"]) == []
        client.delete_budget(made["id"])


def test_a_change_of_an_older_copy_is_refused_by_its_tag() -> None:
    client, seen = _client(
        _says(200, {"amount": 1, "action": "warn"}, ETag='"3"'),
        _says(412, {"code": "PRECONDITION_FAILED"}),
    )
    with pytest.raises(GpuApiError) as refused:
        client.update_budget(9, {"amount": 2})
    assert refused.value.status == 412
    assert seen[1].headers["if-match"] == '"3"'
    assert json.loads(seen[1].content)["action"] == "warn"


def test_statements_are_read_as_data_and_as_files(live: LiveServer) -> None:
    with GPUManagementClient(live.url) as client:
        month = client.list_statements()[0]["month"]
        assert client.get_month_statement(month)["status"] == "open"
        assert client.get_statement_file(month).startswith("month,kind,")
        with pytest.raises(GpuApiError, match="no team is called a/b"):
            client.get_statement_file(month, "a/b", form="html", lang="ko")
        with pytest.raises(GpuApiError) as refused:
            client.close_month(month)
        assert (refused.value.status, refused.value.code) == (409, "MONTH_NOT_CLOSABLE")


LEFT_OUT = {
    "GET /api/v1/gpu/events",
    "GET /api/v1/gpu/search",
    "GET /api/v1/gpu/overview/screen",
    "GET /api/v1/gpu/mig/screen",
    "GET /api/v1/session",
    "POST /api/v1/session",
    "DELETE /api/v1/session",
}
"""The stream is for programs that never end; the command line and browsers follow it."""


def _call_everything() -> set[str]:
    """Call each method with made-up arguments and return what was sent, ids as `*`."""
    client, seen = _client(lambda _: httpx2.Response(200, json=DONE))
    made_up = {str: "*", int: 1, dict[str, object]: {}}
    for name, method in inspect.getmembers(client, inspect.ismethod):
        if name.startswith("_") or name == "close":
            continue
        needed = [
            made_up.get(parameter.annotation, {})
            for parameter in inspect.signature(method).parameters.values()
            if parameter.default is parameter.empty and parameter.kind is not parameter.VAR_KEYWORD
        ]
        called = method(*needed)
        if hasattr(called, "__enter__"):
            with called:
                pass
    paths = (re.sub(r"/1(?=/|$)", "/*", unquote(request.url.path)) for request in seen)
    return {f"{request.method} {path}" for request, path in zip(seen, paths, strict=True)}


def test_every_operation_of_the_document_has_a_method(live: LiveServer) -> None:
    paths = live.ask("GET", "/openapi.json")["paths"]
    offered = {
        f"{method.upper()} {re.sub(r'{[^}]*}', '*', path)}"
        for path, methods in paths.items()
        for method in methods
        if path.startswith("/api/")
    }
    assert offered - _call_everything() == LEFT_OUT
