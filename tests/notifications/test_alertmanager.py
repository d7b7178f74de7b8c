"""Alerts of an Alertmanager: every change once, however often it is sent."""

from typing import Any

from fastapi.testclient import TestClient

from tests.support.channels import channel, courier, run
from tests.support.house import House
from tests.support.receivers import receiving

PATH = "/api/v1/gpu/notifications/alertmanager"
EVENTS = "/api/v1/gpu/events/history?types=alert.*&sort=id"


def told(status: str = "firing", number: int = 1, **changes: Any) -> dict[str, Any]:
    return {
        "status": status,
        "labels": {"alertname": "GPUGone", "severity": "critical", "instance": f"n{number}"},
        "annotations": {"summary": f"GPUs of n{number} are gone"},
        "startsAt": "2026-03-02T11:59:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus/graph",
        "fingerprint": f"{number:016x}",
        **changes,
    }


def send(client: TestClient, *alerts: dict[str, Any]) -> Any:
    body = {"version": "4", "groupKey": "{}", "status": "firing", "alerts": list(alerts)}
    answer = client.post(PATH, json=body)
    assert answer.status_code == 200, answer.text
    return answer.json()["data"]


def test_an_alert_becomes_an_event_once(client: TestClient) -> None:
    assert send(client, told(), told(number=2)) == {"fired": 2, "resolved": 0, "known": 0}
    assert send(client, told(), told(number=2)) == {"fired": 0, "resolved": 0, "known": 2}
    first, _ = client.get(EVENTS).json()
    assert first["type"] == "alert.firing"
    assert first["details"]["name"] == "GPUGone"
    assert first["details"]["severity"] == "critical"
    assert first["details"]["startsAt"] == "2026-03-02T11:59:00.123Z"


def test_it_is_over_once_and_fires_again_when_it_began_anew(client: TestClient) -> None:
    send(client, told())
    over = told("resolved", endsAt="2026-03-02T12:00:00Z")
    assert send(client, over)["resolved"] == 1
    assert send(client, over)["known"] == 1
    assert send(client, told())["known"] == 1  # sent late
    assert send(client, told(startsAt="2026-03-02T12:05:00Z"))["fired"] == 1
    kinds = [event["type"] for event in client.get(EVENTS).json()]
    assert kinds == ["alert.firing", "alert.resolved", "alert.firing"]


def test_what_is_over_before_we_heard_of_it_is_no_event(client: TestClient) -> None:
    assert send(client, told("resolved"))["known"] == 1
    assert client.get(EVENTS).json() == []


def test_the_same_alert_twice_in_one_message_is_one(client: TestClient) -> None:
    assert send(client, told(), told()) == {"fired": 1, "resolved": 0, "known": 1}


def test_it_reaches_a_channel_with_both_ends(house: House, client: TestClient) -> None:
    carrier = courier(house)
    with receiving() as receiver:
        channel(house, kind="pagerduty", url=receiver.url, routingKey="R")
        send(client, told())
        run(house, carrier)
        send(client, told("resolved"))
        run(house, carrier)
        opened, closed = (got.json for got in receiver.got)
    assert opened["payload"]["severity"] == "critical"
    assert (opened["event_action"], closed["event_action"]) == ("trigger", "resolve")
    assert opened["dedup_key"] == closed["dedup_key"] == "gpu-n1-GPUGone-20260302"


UNFIT: list[dict[str, Any]] = [
    {"startsAt": "yesterday"},
    {"startsAt": "2026-03-02T12:00:00"},
    {"status": "maybe"},
    {"fingerprint": "../../x"},
    {"labels": {"a": 1}},
    {"labels": {str(n): "x" for n in range(101)}},
]


def test_what_is_no_alert_is_refused_with_the_whole_message(client: TestClient) -> None:
    for wrong in UNFIT:
        refused = client.post(PATH, json={"alerts": [told(number=2), told() | wrong]})
        assert refused.status_code == 422, wrong
    assert client.get(EVENTS).json() == []


def test_hostile_labels_are_kept_on_one_line_and_short(client: TestClient) -> None:
    labels = {
        "team": "t" * 300,
        "alertname": "x\r\nInjected: y",
        "severity": "\u202e",
        "long": "x" * 5000,
    }
    send(client, told(labels=labels))
    (event,) = client.get(EVENTS).json()
    assert event["details"]["name"] == "x\\r\\nInjected: y"
    assert len(event["details"]["labels"]["long"]) == 1000
    assert event["team"] == "t" * 100


def test_two_thousand_alerts_are_taken_in_one_message(client: TestClient) -> None:
    many = [
        {
            "status": "firing",
            "labels": {"alertname": "A"},
            "startsAt": "2026-03-02T11:59:00Z",
            "fingerprint": f"{n:016x}",
        }
        for n in range(2000)
    ]
    assert send(client, *many)["fired"] == 2000
    assert send(client, *many)["known"] == 2000
