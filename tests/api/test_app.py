"""What holds of every answer: styles, ids, prefix, problems, limits (D-01 to D-06)."""

import json
import re
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gpu_management.api.app import MAX_BODY_BYTES
from gpu_management.core.problems import document, every_kind
from tests.support.apps import NOON
from tests.support.house import T4, House

DEVICES = "/api/v1/gpu/devices"
ALLOCATIONS = "/api/v1/gpu/allocations"
CURL = {"user-agent": "curl/8.5.0"}
ASKED: dict[str, Any] = {
    "namespace": "ml",
    "podName": "p",
    "workloadType": "Training",
    "requiredMemoryGb": 16,
}


@pytest.mark.parametrize(
    ("query", "header", "agent", "style"),
    [
        ("", None, "Java/17", "bare"),
        ("", None, "curl/8.5.0", "envelope"),
        ("", "true", "Java/17", "envelope"),
        ("", "false", "curl/8.5.0", "bare"),
        ("?envelope=true", "false", "Java/17", "envelope"),
        ("?envelope=false", "true", "curl/8.5.0", "bare"),
        ("?envelope=1", None, "Java/17", "envelope"),
        ("?envelope=NO", None, "curl/8.5.0", "bare"),
        ("?envelope=maybe", None, "curl/8.5.0", "envelope"),
        ("", None, "not curl/8", "bare"),
    ],
)
def test_a_list_wears_the_style_its_caller_asks_for(
    house: House, client: TestClient, *, query: str, header: str | None, agent: str, style: str
) -> None:
    house.node(gpus=2)
    headers = {"user-agent": agent} | ({"X-GPU-Envelope": header} if header else {})
    answer = client.get(DEVICES + query, headers=headers)
    assert answer.headers["x-response-style"] == style
    assert answer.headers["vary"].startswith("User-Agent, X-GPU-Envelope")
    assert answer.headers["x-total-count"] == "2"
    body = answer.json()
    if style == "bare":
        assert [row["deviceId"] for row in body] == ["n1-GPU-00", "n1-GPU-01"]
    else:
        assert len(body["data"]) == 2
        assert body["meta"] == {"apiVersion": "v1", "total": 2, "nextCursor": None}


@pytest.mark.parametrize("agent", ["curl/8.5.0", "Java/17"])
def test_an_object_carries_its_fields_at_the_top_and_under_data(
    house: House, client: TestClient, agent: str
) -> None:
    house.node()
    answer = client.post(ALLOCATIONS, json=ASKED, headers={"user-agent": agent})
    assert answer.status_code == 200
    assert answer.headers["x-response-style"] == "hybrid"
    body = answer.json()
    assert body["allocationId"] == body["data"]["allocationId"]
    assert {k: v for k, v in body.items() if k not in {"data", "meta"}} == body["data"]


@pytest.mark.parametrize(("asked", "style"), [("true", "envelope"), ("false", "bare")])
def test_an_object_wears_one_style_when_asked(
    house: House, client: TestClient, asked: str, style: str
) -> None:
    house.node()
    answer = client.get(f"{DEVICES}/n1-GPU-00?envelope={asked}")
    assert answer.headers["x-response-style"] == style
    body = answer.json()
    assert ("deviceId" in body) == (style == "bare")
    assert ("data" in body) == (style == "envelope")


def test_curl_may_be_taken_off_the_list_of_agents(house: House) -> None:
    with house.client(envelope_agents=()) as client:
        assert client.get(DEVICES, headers=CURL).json() == []


def test_no_shape_has_a_field_that_the_styles_need(client: TestClient) -> None:
    schemas = client.get("/openapi.json").json()["components"]["schemas"]
    others = {"Problem", "AllocationAnswer", "SummaryAnswer"}  # two have the shapes of OpenCost
    own = {n: s.get("properties", {}) for n, s in schemas.items() if n not in others}
    assert not [name for name, fields in own.items() if {"data", "meta"} & set(fields)]


def test_answers_are_one_line_of_raw_utf8_without_escapes(house: House, client: TestClient) -> None:
    house.node()
    client.post(ALLOCATIONS, json={**ASKED, "userId": "김연구@회사", "teamId": "팀"})
    for path in (DEVICES, f"{DEVICES}/n1-GPU-00", ALLOCATIONS, "/api/v1/gpu/overview"):
        text = client.get(path, headers=CURL).content.decode()
        assert "\\" not in text
        assert "\n" not in text
    assert "김연구@회사" in client.get(ALLOCATIONS).text


@pytest.mark.parametrize("field", ["userId", "teamId"])
@pytest.mark.parametrize("text", ["a\nb", 'a"b', "a\\b", "a\u0000b", "\x7f"])
def test_text_that_json_would_escape_is_refused(client: TestClient, field: str, text: str) -> None:
    answer = client.post(ALLOCATIONS, json={**ASKED, field: text})
    assert answer.status_code == 422
    assert [error["field"] for error in answer.json()["errors"]] == [field]


def test_what_somebody_says_about_a_failure_is_kept_in_words_that_need_no_escape(
    house: House, client: TestClient
) -> None:
    house.node()
    said = {"state": "FAILED", "reason": 'XID 79: "fell off\nthe bus" \\o/'}
    assert client.post(f"{DEVICES}/n1-GPU-00/state", json=said).status_code == 204
    (shown,) = client.get(DEVICES).json()
    assert shown["stateReason"] == "XID 79: 'fell off the bus' /o/"


def test_times_end_in_z_with_milliseconds_and_money_is_a_number(
    house: House, client: TestClient
) -> None:
    house.node()
    body = client.post(ALLOCATIONS, json={**ASKED, "maxDurationHours": 1, "costLimit": 5}).json()
    for name in ("requestedAt", "allocatedAt", "expiresAt"):
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", body[name])
    for name in ("costPerHour", "costLimit", "totalCost"):
        assert isinstance(body[name], float)


def test_a_request_id_is_kept_or_made(client: TestClient) -> None:
    told = client.get(DEVICES, headers={"X-Request-Id": "abc-1.2:3_4"})
    assert told.headers["x-request-id"] == "abc-1.2:3_4"
    first, second = (client.get("/nothing").json()["requestId"] for _ in range(2))
    assert len(first) == 32
    assert first != second


@pytest.mark.parametrize("told", ["", "x" * 129, "a b", "<script>"])
def test_a_request_id_that_could_break_a_log_is_replaced(client: TestClient, told: str) -> None:
    answer = client.get(DEVICES, headers={"X-Request-Id": told})
    assert re.fullmatch("[0-9a-f]{32}", answer.headers["x-request-id"])


PREFIX = "/k8s-monitor"


def test_the_same_answers_stand_under_the_prefix(house: House, client: TestClient) -> None:
    house.node()
    for path in (DEVICES, f"{DEVICES}/n1-GPU-00", "/actuator/health", "/api/v1/gpu/models"):
        assert client.get(PREFIX + path).json() == client.get(path).json()
    for path in ("/", "/docs", "/metrics", "/actuator/prometheus", "/problems", "/openapi.json"):
        assert client.get(PREFIX + path).status_code == 200
    assert client.get(PREFIX).status_code == 200


def test_links_are_built_from_the_prefix_that_was_used(house: House, client: TestClient) -> None:
    house.node(gpus=2)
    link = client.get(f"{PREFIX}{DEVICES}?limit=1").headers["link"]
    assert link.startswith(f"<{PREFIX}{DEVICES}?limit=1&cursor=")
    made = client.post(PREFIX + ALLOCATIONS, json=ASKED)
    assert made.headers["location"] == f"{PREFIX}{ALLOCATIONS}/{made.json()['allocationId']}"
    assert client.get(made.headers["location"]).status_code == 200
    body = {"nodeName": "n2", "deviceIndex": 0, "modelId": "a100-sxm4-80gb", "migEnabled": True}
    registered = client.post(PREFIX + DEVICES, json=body)
    assert registered.headers["location"] == f"{PREFIX}{DEVICES}/n2-GPU-00"
    carved = client.post(
        f"{PREFIX}{DEVICES}/n2-GPU-00/mig/instances", json={"profile": "1g.10gb", "start": 0}
    )
    place = f"{PREFIX}/api/v1/gpu/mig/instances/n2-GPU-00-MIG-1g.10gb-0"
    assert carved.headers["location"] == place
    missing = client.get(f"{PREFIX}{DEVICES}/nobody").json()
    assert missing["instance"] == missing["path"] == f"{PREFIX}{DEVICES}/nobody"
    assert client.get(f"{PREFIX}/openapi.json").json()["servers"] == [{"url": PREFIX}]
    for page in ("/", "/docs", "/problems"):
        html = client.get(PREFIX + page).text
        used = re.findall(r'(?:href|src)="(/[^"]*)"', html)
        assert used
        assert all(address.startswith(PREFIX) for address in used), (page, used)


def test_pages_load_nothing_from_elsewhere_and_everything_they_name_is_there(
    client: TestClient,
) -> None:
    for page in ("/", "/docs", "/problems"):
        html = client.get(page).text
        assert not re.findall(r'(?:href|src)="(?:https?:)?//', html)
        for address in re.findall(r'(?:href|src)="(/[^"#?]*)', html):
            assert client.get(address).status_code == 200, (page, address)


@pytest.mark.parametrize("near", ["/k8s-monitorx", "/k8s-monito", "/x/k8s-monitor"])
def test_what_only_looks_like_the_prefix_is_none(client: TestClient, near: str) -> None:
    assert client.get(near + DEVICES).status_code == 404


def test_an_unknown_path_is_a_problem_document(client: TestClient) -> None:
    answer = client.get("/api/v1/gpu/nothing", headers=CURL)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "application/problem+json"
    body = answer.json()
    assert body["code"] == "RESOURCE_NOT_FOUND"
    assert body["data"] == []
    assert body["status"] == 404
    assert body["type"] == "/problems/resource-not-found"


def test_a_wrong_method_is_a_problem_document(client: TestClient) -> None:
    answer = client.patch(DEVICES)
    assert answer.status_code == 405
    assert answer.headers["allow"] == "GET, HEAD, POST"
    assert answer.json()["code"] == "METHOD_NOT_ALLOWED"


def test_every_method_of_a_path_is_allowed_also_below_the_prefix(client: TestClient) -> None:
    answer = client.patch(f"/k8s-monitor{DEVICES}/n1-GPU-00")
    assert answer.status_code == 405
    assert answer.headers["allow"] == "DELETE, GET, HEAD, PUT"


def test_path_parameters_are_documented_as_fields_are_written(client: TestClient) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    assert f"{ALLOCATIONS}/{{allocationId}}" in paths
    for path, methods in paths.items():
        assert "_" not in path
        for operation in methods.values():
            told = {p["name"] for p in operation.get("parameters", ()) if p["in"] == "path"}
            assert told == set(re.findall(r"{(\w+)}", path))


@pytest.mark.parametrize("path", [DEVICES, "/actuator/health", f"{DEVICES}/nobody", "/"])
def test_head_answers_like_get_without_a_body(client: TestClient, path: str) -> None:
    head, get = client.head(path), client.get(path)
    assert head.status_code == get.status_code
    assert head.headers["content-type"] == get.headers["content-type"]
    assert head.content == b""


UNREADABLE = [b"{", b"\xff", b"[" * 100_000, b'{"a":' * 100_000, b"{'a': 1}"]


@pytest.mark.parametrize("body", UNREADABLE, ids=range(len(UNREADABLE)))
def test_a_body_that_is_no_json_is_a_bad_request(client: TestClient, body: bytes) -> None:
    answer = client.post(ALLOCATIONS, content=body)
    assert answer.status_code == 400
    assert answer.json()["code"] == "BAD_REQUEST"
    assert answer.json()["data"] == []


WRONG = ["[]", "null", "1", '"x"', "", "{}"]


@pytest.mark.parametrize("body", WRONG)
def test_a_body_of_another_shape_is_not_acceptable(client: TestClient, body: str) -> None:
    answer = client.post(ALLOCATIONS, content=body)
    assert answer.status_code == 422
    assert answer.json()["errors"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("requiredMemoryGb", "40"),
        ("requiredMemoryGb", 40.5),
        ("requiredMemoryGb", 0),
        ("requiredMemoryGb", True),
        ("requiredMemoryGb", 10**30),
        ("workloadType", "Gaming"),
        ("workloadType", None),
        ("count", 65),
        ("gpuMilli", 1001),
        ("gpuMilli", 0),
        ("maxDurationHours", 169),
        ("costLimit", -1),
        ("costLimit", 1e30),
        ("priority", 1001),
        ("waitSeconds", 0),
        ("namespace", "Not A Name"),
        ("podName", "UPPER"),
        ("userId", "x" * 254),
        ("modelPreference", ["m"] * 17),
        ("modelPreference", "t4"),
        ("nodeSelector", []),
        ("useMig", "yes please"),
    ],
)
def test_a_fault_names_its_field_its_rule_and_the_rejected_value(
    client: TestClient, field: str, value: Any
) -> None:
    answer = client.post(ALLOCATIONS, json={**ASKED, field: value})
    assert answer.status_code == 422
    body = answer.json()
    assert body["code"] == "VALIDATION_FAILED"
    (error,) = body["errors"]
    assert error["field"] == field
    assert error["rule"]
    assert error["message"]
    assert "Traceback" not in answer.text


def test_a_whole_number_may_be_written_as_a_fraction_of_nothing(
    house: House, client: TestClient
) -> None:
    house.node()
    body = json.dumps(ASKED).replace("16", "16.0")
    assert client.post(ALLOCATIONS, content=body).status_code == 200


@pytest.mark.parametrize("workload", ["training", "TRAINING", "Training"])
def test_a_workload_type_is_read_in_any_case(
    house: House, client: TestClient, workload: str
) -> None:
    house.node()
    answer = client.post(ALLOCATIONS, json={**ASKED, "workloadType": workload})
    assert answer.json()["workloadType"] == "Training"


def test_an_unknown_field_is_told_about_and_otherwise_ignored(
    house: House, client: TestClient
) -> None:
    house.node()
    answer = client.post(ALLOCATIONS, json={**ASKED, "useMIG": True, "소리": 1})
    assert answer.status_code == 200
    assert "useMIG" in answer.headers["x-gpu-warning"]
    assert "useMig" in answer.headers["x-gpu-warning"]


def test_in_strict_mode_an_unknown_field_is_refused(house: House) -> None:
    house.node()
    with house.client(strict_fields=True) as client:
        answer = client.post(ALLOCATIONS, json={**ASKED, "useMIG": True})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "useMIG"


def test_unknown_fields_inside_bulk_requests_are_told_about_too(house: House) -> None:
    house.node(gpus=2)
    body = {"requests": [ASKED, {**ASKED, "useMIG": True}]}
    with house.client() as client:
        answer = client.post(f"{ALLOCATIONS}/bulk", json=body)
        assert answer.status_code == 200
        assert "requests.1: unknown field useMIG" in answer.headers["x-gpu-warning"]
    with house.client(strict_fields=True) as client:
        answer = client.post(f"{ALLOCATIONS}/bulk", json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "requests.1.useMIG"


def test_half_a_surrogate_pair_is_refused_and_not_a_fault_of_ours(client: TestClient) -> None:
    for field in ("namespace", "userId", "\\ud800"):
        plain = json.dumps({**ASKED, "x": 1})
        body = plain.replace('"x": 1', f'"{field}": "\\ud800"')
        assert client.post(ALLOCATIONS, content=body).status_code == 422


@pytest.mark.parametrize("told", [True, False])
def test_a_body_that_is_too_large_is_a_problem_document(client: TestClient, told: bool) -> None:
    large = b" " * (MAX_BODY_BYTES + 1)
    content: Any = large if told else iter([large[: MAX_BODY_BYTES // 2]] * 3)
    answer = client.post(ALLOCATIONS, content=content)
    assert answer.status_code == 413
    assert answer.json()["code"] == "CONTENT_TOO_LARGE"
    assert answer.json()["data"] == []


def test_a_chunked_body_is_read(house: House, client: TestClient) -> None:
    house.node()
    text = json.dumps(ASKED).encode()
    kind = {"content-type": "application/json"}
    answer = client.post(ALLOCATIONS, content=iter([text[:7], text[7:]]), headers=kind)
    assert answer.status_code == 200


def test_a_delete_may_carry_an_empty_form(house: House, client: TestClient) -> None:
    house.node()
    made = client.post(ALLOCATIONS, json=ASKED).json()
    form = {"content-type": "application/x-www-form-urlencoded"}
    answer = client.request(
        "DELETE", f"{ALLOCATIONS}/{made['allocationId']}", content=iter([b""]), headers=form
    )
    assert answer.status_code == 200
    assert answer.json()["phase"] == "Released"


def test_a_large_answer_is_compressed_for_who_can_read_it(house: House, client: TestClient) -> None:
    house.node(gpus=8)
    packed = client.get(DEVICES, headers={"accept-encoding": "gzip"})
    plain = client.get(DEVICES, headers={"accept-encoding": "identity"})
    assert packed.headers["content-encoding"] == "gzip"
    assert "content-encoding" not in plain.headers
    assert packed.json() == plain.json()


def test_every_kind_of_problem_has_a_page(client: TestClient) -> None:
    for kind in every_kind():
        told = document(kind("x"), path="/", request_id="r", now=NOON)
        assert client.get(told["type"]).status_code == 200


def test_who_asks_too_often_is_told_when_to_come_back(house: House) -> None:
    with house.client(rate_limit_per_minute=3) as client:
        answers = [client.get(DEVICES) for _ in range(5)]
        other = client.get(DEVICES, headers={"X-API-Key": "somebody else"})
        health = client.get("/actuator/health")
        prefixed = client.get(PREFIX + DEVICES)
    assert [a.status_code for a in answers] == [200, 200, 200, 429, 429]
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert answers[-1].json()["code"] == "TOO_MANY_REQUESTS"
    assert answers[-1].json()["data"] == []
    assert other.status_code != 429
    assert health.status_code == 200
    assert prefixed.status_code == 429


def test_a_fault_of_ours_tells_the_request_id_and_nothing_else(house: House) -> None:
    def broken() -> Any:
        raise RuntimeError("secret")

    house.clock = broken  # type: ignore[assignment]
    with house.client() as client:
        answer = client.get("/api/v1/gpu/overview")
    assert answer.status_code == 500
    body = answer.json()
    assert body["code"] == "INTERNAL_ERROR"
    assert body["requestId"] in body["detail"]
    assert "secret" not in answer.text
    assert "Traceback" not in answer.text


def test_security_headers_stand_on_every_answer(client: TestClient) -> None:
    for path in ("/", DEVICES, "/nothing"):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["x-frame-options"] == "DENY"
        assert "default-src 'self'" in headers["content-security-policy"]


def test_the_model_list_has_the_packaged_catalogue(client: TestClient) -> None:
    assert T4 in {model["modelId"] for model in client.get("/api/v1/gpu/models").json()}


def test_every_operation_under_the_prefix_declares_what_any_of_them_may_answer(
    client: TestClient,
) -> None:
    paths = client.get("/openapi.json").json()["paths"]
    usual = {"400", "401", "403", "422", "429"}
    silent = {
        f"{verb.upper()} {path}": sorted(usual - operation["responses"].keys())
        for path, found in paths.items()
        if path.startswith("/api/v1/")
        for verb, operation in found.items()
        if usual - operation["responses"].keys()
    }
    assert silent == {}
