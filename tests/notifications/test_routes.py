"""Channels and deliveries over HTTP."""

from collections.abc import Iterator
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gpu_management.notifications import service
from gpu_management.notifications.models import ChannelKind
from gpu_management.notifications.terms import Configured
from tests.support.channels import alert, courier, deliveries, run, terms
from tests.support.house import House
from tests.support.receivers import receiving

CHANNELS = "/api/v1/gpu/notifications/channels"
DELIVERIES = "/api/v1/gpu/notifications/deliveries"
SLACK = {
    "name": "gpu-ops",
    "kind": "slack",
    "url": "https://hooks.slack.com/services/T0/B0/topsecret",
    "events": ["alert.*"],
    "minSeverity": "warning",
    "quietHours": {"from": "22:00", "until": "07:00", "timezone": "Asia/Seoul"},
}


@pytest.fixture
def strict(house: House) -> Iterator[TestClient]:
    """A server that sends to public addresses only."""
    with house.client() as opened:
        yield opened


@pytest.fixture
def client(house: House) -> Iterator[TestClient]:
    with house.client(notification_terms=terms()) as opened:
        yield opened


def make(client: TestClient, **changes: Any) -> Any:
    answer = client.post(CHANNELS, json=SLACK | changes)
    assert answer.status_code == 201, answer.text
    return answer.json()["data"]


def test_a_channel_is_added_and_shown_without_its_secrets(strict: TestClient) -> None:
    made = make(strict, headers={"X-Token": "alsosecret"})
    assert made["host"] == "hooks.slack.com"
    assert made["secrets"] == ["url", "headers.X-Token"]
    assert made["quietHours"] == {"from": "22:00:00", "until": "07:00:00", "timezone": "Asia/Seoul"}
    path = f"{CHANNELS}/{made['id']}"
    for text in (strict.get(CHANNELS).text, strict.get(path).text, str(made)):
        assert "topsecret" not in text
        assert "alsosecret" not in text
    assert strict.get(path).headers["etag"] == '"1"'


def test_the_audit_log_has_no_secret(strict: TestClient) -> None:
    make(strict)
    audit = strict.get("/api/v1/admin/audit").text
    assert "notification-channel.create" in audit
    assert "topsecret" not in audit


def test_a_change_keeps_the_secrets_that_it_does_not_name(house: House, strict: TestClient) -> None:
    made = make(strict)
    path = f"{CHANNELS}/{made['id']}"
    body = {"events": ["device.*"], "minSeverity": "error"}
    changed = strict.put(path, json=body, headers={"if-match": '"1"'}).json()["data"]
    assert changed["events"] == ["device.*"]
    assert changed["secrets"] == ["url"]
    late = strict.put(path, json=body, headers={"if-match": '"1"'})
    assert (late.status_code, late.json()["code"]) == (412, "PRECONDITION_FAILED")


def test_another_address_does_not_get_the_old_secrets(strict: TestClient) -> None:
    made = make(strict, kind="webhook", headers={"Authorization": "Bearer k"})
    body = {"url": "https://elsewhere.test/x"}
    changed = strict.put(f"{CHANNELS}/{made['id']}", json=body).json()["data"]
    assert changed["secrets"] == ["url"]


UNFIT: list[tuple[str, dict[str, Any]]] = [
    ("url", {"url": None}),
    ("url", {"url": "http://hooks.slack.com/x"}),
    ("url", {"url": "https://169.254.169.254/latest"}),
    ("url", {"url": "https://[::1]/"}),
    ("events", {"events": ["not a kind!"]}),
    ("events", {"events": ["alert.firing,device.failure"]}),
    ("recipients", {"kind": "mail", "recipients": []}),
    ("recipients", {"kind": "mail", "recipients": ["a@b\nBcc: c@d"]}),
    ("routingKey", {"kind": "pagerduty", "url": None}),
    ("signingSecret", {"signingSecret": "%%%"}),
    ("headers", {"headers": {"X-A": "a\r\nX-B: b"}}),
    ("headers", {"headers": {"Host": "x"}}),
    ("headers", {"headers": {"A B": "x"}}),
    ("minSeverity", {"minSeverity": "loud"}),
    ("quietHours.from", {"quietHours": {"from": "25:00", "until": "07:00"}}),
    ("quietHours.from", {"quietHours": {"from": 22, "until": "07:00"}}),
    (
        "quietHours.timezone",
        {"quietHours": {"from": "22:00", "until": "07:00", "timezone": "../etc/passwd"}},
    ),
    ("maxPerMinute", {"maxPerMinute": 0}),
    ("format", {"format": "xml"}),
    ("name", {"name": 'a"b'}),
]


def test_a_channel_that_could_not_work_is_refused_with_the_field(strict: TestClient) -> None:
    for field, wrong in UNFIT:
        refused = strict.post(CHANNELS, json=SLACK | wrong)
        assert refused.status_code == 422, wrong
        assert field in {error["field"] for error in refused.json()["errors"]}, wrong
        assert "topsecret" not in refused.text
    assert strict.get(CHANNELS).json() == []


def test_a_secret_that_cannot_be_read_is_not_sent_back(strict: TestClient) -> None:
    for wrong in (
        {"url": "https://hooks.slack.com/" + "topsecret" * 400},
        {"url": ["topsecret"]},
        {"headers": {"X-Token": ["topsecret"]}},
        {"headers": {"X-Token": "topsecret\n"}},
        {"signingSecret": {"a": "topsecret"}},
        {"kind": "pagerduty", "routingKey": "topsecret" * 400},
    ):
        refused = strict.post(CHANNELS, json=SLACK | {"url": "https://h.test/x"} | wrong)
        assert refused.status_code == 422, wrong
        assert "topsecret" not in refused.text, wrong


def test_a_name_is_taken_once(strict: TestClient) -> None:
    make(strict)
    again = strict.post(CHANNELS, json=SLACK)
    assert (again.status_code, again.json()["code"]) == (409, "CHANNEL_EXISTS")


def test_a_channel_of_the_settings_is_changed_there(house: House, strict: TestClient) -> None:
    one = Configured(
        "slack", ChannelKind.SLACK, {"events": ["*"]}, {}, {"url": "https://hooks.slack.com/x"}
    )
    with house.database.write() as session:
        service.settle(session, [one], now=house.now)
    (shown,) = strict.get(CHANNELS).json()
    assert (shown["origin"], shown["host"]) == ("settings", "hooks.slack.com")
    path = f"{CHANNELS}/{shown['id']}"
    for refused in (strict.put(path, json={}), strict.delete(path)):
        assert (refused.status_code, refused.json()["code"]) == (409, "CHANNEL_OF_SETTINGS")
    with house.database.write() as session:
        service.settle(session, [], now=house.now)
    assert strict.get(path).json()["enabled"] is False


def test_a_test_message_is_sent_in_quiet_hours_too(house: House, client: TestClient) -> None:
    carrier = courier(house)
    with receiving() as receiver:
        always = {"from": "00:00", "until": "23:59", "timezone": "UTC"}
        made = make(client, url=receiver.url, quietHours=always)
        asked = client.post(f"{CHANNELS}/{made['id']}/test")
        assert asked.status_code == 202
        run(house, carrier)
        assert receiver.got[0].json["text"] == "Test of notifications"
    sent = client.get(f"{DELIVERIES}/{asked.json()['id']}").json()
    assert (sent["state"], sent["kind"]) == ("sent", "notification.test")


def test_dead_letters_are_listed_and_sent_again(house: House, client: TestClient) -> None:
    carrier = courier(house)
    with receiving() as receiver:
        made = make(client, kind="webhook", url=receiver.url)
        receiver.status = 500
        for number in (1, 2):
            alert(house, number)
        run(house, carrier, until=house.now.replace(second=10))
        shown = client.get(f"{CHANNELS}/{made['id']}").json()
        assert (shown["dead"], shown["waiting"]) == (2, 0)
        assert shown["failingSince"]
        dead = client.get(DELIVERIES, params={"state": "dead"}).json()
        assert [row["attempts"] for row in dead] == [3, 3]
        receiver.status = 200
        first = f"{DELIVERIES}/{dead[0]['id']}/replay"
        assert client.post(first).json()["state"] == "waiting"
        again = client.post(first)
        assert (again.status_code, again.json()["code"]) == (409, "DELIVERY_NOT_DEAD")
        assert client.post(f"{CHANNELS}/{made['id']}/replay").json()["replayed"] == 1
        run(house, carrier)
    shown = client.get(f"{CHANNELS}/{made['id']}").json()
    assert (shown["dead"], shown["failingSince"]) == (0, None)
    assert {row.state for row in deliveries(house)} == {"sent"}
    ids = [got.headers["webhook-id"] for got in receiver.got]
    assert sorted(set(ids)) == sorted(ids[-2:])


def test_a_channel_goes_with_its_deliveries(house: House, client: TestClient) -> None:
    carrier = courier(house)
    made = make(client)
    alert(house)
    carrier.take(house.now)
    assert client.delete(f"{CHANNELS}/{made['id']}").json()["name"] == "gpu-ops"
    assert deliveries(house) == []
    assert client.get(f"{CHANNELS}/{made['id']}").status_code == 404
    assert client.get(f"{DELIVERIES}/1").status_code == 404
