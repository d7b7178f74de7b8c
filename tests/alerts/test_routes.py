"""Alerts over HTTP: lists, taking on, silences."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gpu_management.core.clock import wire_time
from tests.support.watched_gpus import Watched

ALERTS = "/api/v1/gpu/alerts"
HOT = {"temperature_celsius": 89.0}


@pytest.fixture
def client(watched: Watched) -> Iterator[TestClient]:
    with watched.house.client() as made:
        yield made


@pytest.fixture
def burning(watched: Watched) -> Watched:
    """Two GPUs for which GPUHighTemperature fires."""
    watched.look(330, **HOT)
    return watched


def _silence(watched: Watched, *, minutes: int = 60, **matcher: str) -> dict[str, Any]:
    plain = {"name": "deviceId", "operator": "=", "value": "n1-GPU-00"}
    ends = wire_time(watched.now + timedelta(minutes=minutes))
    return {"matchers": [plain | matcher], "endsAt": ends, "comment": "fans"}


def _status(client: TestClient) -> dict[str, str]:
    rows = client.get(ALERTS, params={"alertType": "GPUHighTemperature"}).json()
    return {row["deviceId"]: row["status"] for row in rows}


def test_open_alerts_are_listed_with_what_they_are_about(
    client: TestClient, burning: Watched
) -> None:
    answer = client.get(ALERTS, params={"deviceId": "n1-GPU-00"})
    (row,) = answer.json()
    assert row["alertType"] == "GPUHighTemperature"
    assert row["message"] == "GPU 0 on n1 has temperature 89°C"
    assert (row["value"], row["threshold"], row["status"]) == (89, 85, "firing")
    assert (row["nodeName"], row["severity"]) == ("n1", "warning")
    assert client.get(f"{ALERTS}/{row['alertId']}").json()["fingerprint"] == row["fingerprint"]


def test_a_list_filters_pages_and_exports(client: TestClient, burning: Watched) -> None:
    assert client.get(ALERTS, params={"status": "resolved"}).json() == []
    assert client.get(ALERTS, params={"severity": "critical"}).json() == []
    first = client.get(ALERTS, params={"limit": 1})
    assert first.headers["X-Total-Count"] == "2"
    cursor = first.headers["X-Next-Cursor"]
    second = client.get(ALERTS, params={"limit": 1, "cursor": cursor}).json()
    assert second[0]["deviceId"] != first.json()[0]["deviceId"]
    assert client.get(ALERTS, params={"format": "csv"}).text.startswith("alertId,fingerprint,")
    burning.look(15)
    assert len(client.get(ALERTS, params={"status": "firing,resolved"}).json()) == 2
    assert client.get(ALERTS, params={"status": "firing,burning"}).status_code == 422
    assert client.get(ALERTS).json() == []


def test_an_alert_that_somebody_takes_on_is_told_of_and_not_again(
    client: TestClient, burning: Watched
) -> None:
    (row, *_rest) = client.get(ALERTS).json()
    path = f"{ALERTS}/{row['alertId']}/acknowledge"
    taken = client.post(path, json={"comment": "on it"}).json()
    assert (taken["status"], taken["comment"]) == ("acknowledged", "on it")
    (told,) = burning.events("alert.acknowledged")
    assert (told["state"], told["alertId"]) == ("acknowledged", row["alertId"])
    burning.look(15)
    refused = client.post(path, json={})
    assert (refused.status_code, refused.json()["code"]) == (409, "ALERT_OVER")


def test_one_that_is_not_there_is_not_found(client: TestClient) -> None:
    assert client.get(f"{ALERTS}/none").status_code == 404
    assert client.post(f"{ALERTS}/none/acknowledge", json={}).status_code == 404
    assert client.get(f"{ALERTS}/silences/none").status_code == 404


def test_a_silence_covers_what_matches_until_it_ends(client: TestClient, burning: Watched) -> None:
    told = len(burning.events("alert.firing"))
    made = client.post(f"{ALERTS}/silences", json=_silence(burning))
    assert made.status_code == 201
    burning.look(15, **HOT)
    assert _status(client) == {"n1-GPU-00": "silenced", "n1-GPU-01": "firing"}
    assert [one["deviceId"] for one in burning.events("alert.silenced")] == ["n1-GPU-00"]
    ended = client.delete(f"{ALERTS}/silences/{made.json()['silenceId']}")
    assert ended.status_code == 200
    burning.look(15, **HOT)
    assert _status(client) == {"n1-GPU-00": "firing", "n1-GPU-01": "firing"}
    again = burning.events("alert.firing")[told:]
    assert [one["deviceId"] for one in again] == ["n1-GPU-00"]


def test_what_fires_during_a_silence_says_so(client: TestClient, watched: Watched) -> None:
    client.post(f"{ALERTS}/silences", json=_silence(watched, name="instance", value="n1"))
    watched.look(330, **HOT)
    assert set(_status(client).values()) == {"silenced"}
    assert all(one["silenced"] for one in watched.events("alert.firing"))


def test_a_silence_ends_by_itself_and_can_be_changed(client: TestClient, burning: Watched) -> None:
    made = client.post(f"{ALERTS}/silences", json=_silence(burning, minutes=5))
    path = f"{ALERTS}/silences/{made.json()['silenceId']}"
    body = _silence(burning, minutes=10)
    stale = client.put(path, json=body, headers={"If-Match": '"7"'})
    assert stale.status_code == 412
    changed = client.put(path, json=body, headers={"If-Match": made.headers["ETag"]})
    assert changed.json()["endsAt"] == body["endsAt"]
    burning.look(300, **HOT)
    assert _status(client)["n1-GPU-00"] == "silenced"
    burning.look(330, **HOT)
    assert _status(client)["n1-GPU-00"] == "firing"
    assert client.get(f"{ALERTS}/silences").json() == []
    assert len(client.get(f"{ALERTS}/silences", params={"over": True}).json()) == 1


@pytest.mark.parametrize(
    "matcher",
    [
        {"value": "*", "operator": "~"},
        {"value": "x", "operator": "!="},
        {"value": "a*b*c*d*e", "operator": "~"},
    ],
)
def test_a_silence_that_covers_everything_or_is_too_wild_is_refused(
    client: TestClient, watched: Watched, matcher: dict[str, str]
) -> None:
    answer = client.post(f"{ALERTS}/silences", json=_silence(watched, **matcher))
    assert answer.status_code == 422


def test_a_silence_that_is_over_before_it_begins_is_refused(
    client: TestClient, watched: Watched
) -> None:
    answer = client.post(f"{ALERTS}/silences", json=_silence(watched, minutes=-1))
    assert answer.status_code == 422


def test_rules_tell_how_they_stand(client: TestClient, burning: Watched) -> None:
    rules = {row["name"]: row for row in client.get(f"{ALERTS}/rules").json()}
    assert len(rules) == 27
    hot = rules["GPUHighTemperature"]
    assert (hot["threshold"], hot["compare"], hot["firing"]) == (85, ">", 2)
    assert hot["enabled"] is True


def test_the_overview_counts_open_alerts_that_are_not_silenced(
    client: TestClient, burning: Watched
) -> None:
    assert client.get("/api/v1/gpu/overview").json()["alerts"] == {"warning": 2}
    client.post(f"{ALERTS}/silences", json=_silence(burning))
    burning.look(15, **HOT)
    assert client.get("/api/v1/gpu/overview").json()["alerts"] == {"warning": 1}
