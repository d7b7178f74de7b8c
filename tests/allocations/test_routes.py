import time
from threading import Thread
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gpu_management.allocations.admission import admit_team
from gpu_management.allocations.models import Phase
from gpu_management.allocations.service import Office
from gpu_management.auth.models import Team
from tests.support.house import A100, T4, House

HERE = "/api/v1/gpu/allocations"
ASKED: dict[str, Any] = {
    "namespace": "ml",
    "podName": "p",
    "workloadType": "Training",
    "requiredMemoryGb": 16,
}


def post(client: TestClient, *, path: str = "", key: str | None = None, **asked: Any) -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(HERE + path, json={**ASKED, **asked}, headers=headers)


def test_an_answer_says_place_price_and_where_to_find_it(house: House, client: TestClient) -> None:
    house.node("n1", gpus=2)
    answer = post(client, count=2, userId="u", teamId="t", cpuMilli=1, memoryMib=2)
    assert answer.status_code == 200
    body = answer.json()
    assert answer.headers["location"] == f"{HERE}/{body['allocationId']}"
    assert body["allocatedResource"] == "n1-GPU-00,n1-GPU-01"
    assert body["resources"] == ["n1-GPU-00", "n1-GPU-01"]
    assert body["costPerHour"] > 0
    assert (body["phase"], body["nodeName"], body["dryRun"]) == ("Allocated", "n1", False)
    assert (body["userId"], body["teamId"], body["count"]) == ("u", "t", 2)
    assert body["deviceId"] is None
    detail = client.get(f"{HERE}/{body['allocationId']}").json()
    assert [hold["deviceId"] for hold in detail["holds"]] == body["resources"]
    assert {hold["kind"] for hold in detail["holds"]} == {"WHOLE"}


def test_one_gpu_and_one_slice_are_named_on_their_own(house: House, client: TestClient) -> None:
    house.node("n1")
    house.node("n2", model=A100, layout=[])
    assert post(client).json()["deviceId"] == "n1-GPU-00"
    cut = post(client, useMig=True, requiredMemoryGb=40).json()
    assert (cut["deviceId"], cut["migId"]) == ("n2-GPU-00", cut["allocatedResource"])


def test_a_refusal_says_what_lacks_and_when_to_try_again(house: House, client: TestClient) -> None:
    house.node()
    post(client)
    refused = post(client)
    assert refused.status_code == 409
    assert refused.headers["retry-after"] == "30"
    body = refused.json()
    assert body["code"] == "GPU_NOT_AVAILABLE"
    assert body["refusals"][0]["reason"] == "FREE_MILLI"
    assert body["data"] == []


@pytest.mark.parametrize(
    ("asked", "status", "code"),
    [
        ({"requiredMemoryGb": 17}, 422, "VALIDATION_FAILED"),
        ({"useMig": True}, 422, "MIG_NOT_SUPPORTED"),
    ],
)
def test_what_can_never_be_served_is_told_so_in_every_way_of_asking(
    house: House, client: TestClient, *, asked: dict[str, Any], status: int, code: str
) -> None:
    house.node()
    for more in ({}, {"dryRun": True}, {"wait": True}):
        answer = post(client, **asked, **more)
        assert (answer.status_code, answer.json()["code"]) == (status, code), more


def test_who_waits_is_answered_202_and_found_by_its_id(house: House, client: TestClient) -> None:
    house.node()
    post(client)
    queued = post(client, wait=True, waitSeconds=60, key="k")
    assert queued.status_code == 202
    assert queued.json()["phase"] == "Pending"
    assert queued.json()["allocationId"]
    assert post(client, wait=True, waitSeconds=60, key="k").status_code == 202
    assert client.get(queued.headers["location"]).json()["waitUntil"] is not None


def test_a_dry_run_holds_nothing(house: House, client: TestClient) -> None:
    house.node()
    dry = post(client, dryRun=True)
    assert dry.status_code == 200
    assert dry.json()["allocationId"] == "dry-run"
    assert dry.json()["dryRun"] is True
    assert dry.json()["allocatedResource"] == "n1-GPU-00"
    assert client.get(HERE).json() == []
    post(client)
    assert post(client, dryRun=True).status_code == 409


def test_a_simulation_answers_either_way(house: House, client: TestClient) -> None:
    house.node()
    fits = post(client, path="/simulate").json()
    assert (fits["fits"], fits["resources"]) == (True, ["n1-GPU-00"])
    post(client)
    full = post(client, path="/simulate").json()
    assert (full["fits"], full["resources"], full["nodeName"]) == (False, [], None)
    assert full["detail"]
    assert client.get(HERE).headers["x-total-count"] == "1"


def test_a_list_of_requests_is_held_as_a_whole(house: House, client: TestClient) -> None:
    house.node(gpus=3)
    two = client.post(f"{HERE}/bulk", json={"requests": [ASKED, ASKED]})
    assert two.status_code == 200
    assert len({row["allocatedResource"] for row in two.json()}) == 2
    more = client.post(f"{HERE}/bulk", json={"requests": [ASKED, ASKED]})
    assert more.status_code == 409
    assert more.json()["failedRequest"] == 1
    assert len(client.get(HERE).json()) == 2
    assert post(client).status_code == 200


@pytest.mark.parametrize("asked", [{"dryRun": True}, {"wait": True}])
def test_a_list_is_held_now_or_not_at_all(
    house: House, client: TestClient, asked: dict[str, Any]
) -> None:
    house.node(gpus=2)
    answer = client.post(f"{HERE}/bulk", json={"requests": [ASKED, {**ASKED, **asked}]})
    assert answer.status_code == 422
    assert client.get(HERE).json() == []


@pytest.mark.parametrize("requests", [[], [ASKED] * 101, None])
def test_a_list_has_one_to_a_hundred_requests(client: TestClient, requests: Any) -> None:
    assert client.post(f"{HERE}/bulk", json={"requests": requests}).status_code == 422


def test_a_key_gives_the_first_answer_again_or_refuses(house: House, client: TestClient) -> None:
    house.node(gpus=2)
    first = post(client, key="k").json()
    again = post(client, key="k")
    assert again.status_code == 200
    assert again.json()["allocationId"] == first["allocationId"]
    other = post(client, key="k", podName="other")
    assert other.status_code == 409
    assert other.json()["code"] == "IDEMPOTENCY_KEY_REUSED"
    long = post(client, key="x" * 256)
    assert long.status_code == 422


def test_a_release_answers_what_ended_however_often(house: House, client: TestClient) -> None:
    house.node()
    path = f"{HERE}/{post(client).json()['allocationId']}"
    house.clock.forward(hours=1)
    first = client.delete(path)
    assert first.status_code == 200
    assert first.json()["phase"] == "Released"
    assert first.json()["releaseReason"] == "requested"
    assert first.json()["totalCost"] > 0
    house.clock.forward(hours=1)
    assert client.delete(path).json() == first.json()
    missing = client.delete(f"{HERE}/nobody")
    assert missing.status_code == 404
    assert missing.json()["code"] == "RESOURCE_NOT_FOUND"


def test_an_extension_moves_the_end(house: House, client: TestClient) -> None:
    house.node()
    made = post(client, maxDurationHours=2).json()
    path = f"{HERE}/{made['allocationId']}"
    before = client.get(path).headers["etag"]
    longer = client.post(f"{path}/extend", json={"hours": 1})
    assert longer.json()["maxDurationHours"] == 3
    assert client.get(path).headers["etag"] != before
    for hours in (0, 169, "1", None):
        assert client.post(f"{path}/extend", json={"hours": hours}).status_code == 422
    assert client.post(f"{path}/extend", json={"hours": 166}).status_code == 422
    client.delete(path)
    over = client.post(f"{path}/extend", json={"hours": 1})
    assert (over.status_code, over.json()["code"]) == (409, "ALLOCATION_ENDED")
    assert client.post(f"{HERE}/nobody/extend", json={"hours": 1}).status_code == 404


def test_lists_filter_by_every_name_and_newest_first(house: House, client: TestClient) -> None:
    house.node("n1", gpus=2)
    house.node("n2", model=A100)
    first = post(client, namespace="a", podName="p1", teamId="t", userId="u").json()
    house.clock.forward(seconds=1)
    second = post(client, namespace="b", requiredMemoryGb=80).json()
    house.clock.forward(seconds=1)
    client.delete(f"{HERE}/{second['allocationId']}")
    ids = [row["allocationId"] for row in client.get(HERE).json()]
    assert ids == [second["allocationId"], first["allocationId"]]
    for query, found in (
        ("phase=Allocated", first),
        ("phase=Released", second),
        ("namespace=a", first),
        ("podName=p1", first),
        ("teamId=t", first),
        ("userId=u", first),
        ("nodeName=n2", second),
        ("deviceId=n2-GPU-00", second),
    ):
        rows = client.get(f"{HERE}?{query}").json()
        assert [row["allocationId"] for row in rows] == [found["allocationId"]], query
    assert client.get(f"{HERE}?namespace=nobody").json() == []
    assert client.get(f"{HERE}?phase=allocated").status_code == 422


@pytest.mark.parametrize("sort", ["requestedAt", "-requestedAt", "phase", "-priority", "podName"])
@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_pages_show_every_row_exactly_once(
    house: House, client: TestClient, sort: str, limit: int
) -> None:
    house.node("n1", gpus=8)
    for number in range(7):
        house.clock.forward(seconds=number % 2)
        made = post(client, podName=f"p{number % 3}", priority=number % 2, gpuMilli=100).json()
        if number % 3 == 0:
            client.delete(f"{HERE}/{made['allocationId']}")
    whole = [row["allocationId"] for row in client.get(f"{HERE}?sort={sort}").json()]
    assert len(whole) == 7
    seen: list[str] = []
    path = f"{HERE}?sort={sort}&limit={limit}"
    while path:
        answer = client.get(path)
        assert answer.headers["x-total-count"] == "7"
        assert 1 <= len(answer.json()) <= limit
        seen += [row["allocationId"] for row in answer.json()]
        link = answer.headers.get("link")
        assert bool(link) == ("x-next-cursor" in answer.headers)
        path = link.removeprefix("<").removesuffix('>; rel="next"') if link else ""
    assert seen == whole


def test_a_cursor_of_another_order_is_refused(house: House, client: TestClient) -> None:
    house.node(gpus=2)
    post(client)
    post(client)
    cursor = client.get(f"{HERE}?limit=1").headers["x-next-cursor"]
    refused = client.get(f"{HERE}?limit=1&sort=phase&cursor={cursor}")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["field"] == "cursor"


def test_a_list_is_exported_as_csv_without_formulas(house: House, client: TestClient) -> None:
    house.node(gpus=3)
    for user in ("=cmd|'/c calc'!A1", "@sum", "plain,comma"):
        assert post(client, userId=user).status_code == 200
    for answer in (
        client.get(f"{HERE}?format=csv"),
        client.get(HERE, headers={"accept": "text/csv"}),
    ):
        assert answer.headers["content-type"].startswith("text/csv")
        lines = answer.text.splitlines()
        assert lines[0].startswith("allocationId,phase,")
        assert len(lines) == 4
        assert "'=cmd" in answer.text
        assert ",'@sum," in answer.text
        assert '"plain,comma"' in answer.text
    assert client.get(f"{HERE}?format=json", headers={"accept": "text/csv"}).json()


def test_who_waits_for_a_phase_is_answered_when_it_comes(house: House, client: TestClient) -> None:
    house.node()
    path = f"{HERE}/{post(client).json()['allocationId']}"
    started = time.monotonic()
    assert client.get(f"{path}?waitFor=Allocated").json()["phase"] == "Allocated"
    assert client.get(f"{path}?waitFor=Enforced&waitSeconds=5").json()["phase"] == "Allocated"
    assert time.monotonic() - started < 2

    def release_soon() -> None:
        time.sleep(0.3)
        house.release(path.rsplit("/", maxsplit=1)[1])

    thread = Thread(target=release_soon)
    thread.start()
    answer = client.get(f"{path}?waitFor=Released&waitSeconds=20")
    thread.join()
    assert answer.json()["phase"] == "Released"
    assert time.monotonic() - started < 10


def test_who_waits_in_vain_is_answered_as_it_is(house: House, client: TestClient) -> None:
    house.node()
    path = f"{HERE}/{post(client).json()['allocationId']}"
    answer = client.get(f"{path}?waitFor=Released&waitSeconds=1")
    assert (answer.status_code, answer.json()["phase"]) == (200, "Allocated")
    for wrong in ("waitFor=Done", "waitSeconds=61", "waitSeconds=0"):
        assert client.get(f"{path}?{wrong}").status_code == 422
    assert client.get(f"{HERE}/nobody?waitFor=Released").status_code == 404


def test_a_wait_for_its_place_ends_when_the_queue_is_served(
    house: House, client: TestClient
) -> None:
    queued = post(client, wait=True).json()
    house.node()

    def serve_soon() -> None:
        time.sleep(0.3)
        house.serve_queue()

    thread = Thread(target=serve_soon)
    thread.start()
    answer = client.get(f"{HERE}/{queued['allocationId']}?waitFor=Allocated&waitSeconds=20")
    thread.join()
    assert answer.json()["phase"] == Phase.ALLOCATED
    assert answer.json()["costPerHour"] is not None


def test_the_quota_of_a_team_is_a_refusal(house: House, client: TestClient) -> None:
    office = Office(house.office.placer, checks=(admit_team,))
    client.app.state.office = office  # type: ignore[attr-defined]
    with house.database.write() as session:
        team = {"team_id": "small", "name": "s", "namespaces": [], "gpu_limit_milli": 1500}
        session.add(Team(**team, created_at=house.now, updated_at=house.now))
    house.node(gpus=4)
    assert post(client, teamId="small").status_code == 200
    refused = post(client, teamId="small")
    assert refused.status_code in {403, 409, 422}
    assert refused.json()["heldMilli"] == 1000
    assert post(client, teamId="small", gpuMilli=500).status_code == 200
    assert post(client, teamId="other").status_code == 200


def test_models_are_preferred_or_insisted_on(house: House, client: TestClient) -> None:
    house.node("n1", model=T4)
    house.node("n2", model=A100)
    assert post(client, modelPreference=[A100]).json()["nodeName"] == "n2"
    refused = post(client, modelIds=[A100])
    assert refused.status_code == 409
    assert post(client, modelIds=[T4]).json()["nodeName"] == "n1"
