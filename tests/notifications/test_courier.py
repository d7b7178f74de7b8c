"""Notifications that arrive: real receivers on this machine, a clock that tests move."""

from collections.abc import Iterator
from pathlib import Path
from threading import Event
from typing import Any

import pytest

from gpu_management.devices.service import DeviceState
from gpu_management.notifications import service
from gpu_management.notifications.guard import Outbound
from gpu_management.notifications.models import ChannelKind, Delivery, DeliveryState
from gpu_management.notifications.terms import Configured, Terms
from tests.support.channels import alert, alerts, channel, courier, deliveries, found, run
from tests.support.events import say
from tests.support.house import House
from tests.support.receivers import Receiver, receiving


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as opened:
        yield opened


@pytest.fixture
def other() -> Iterator[Receiver]:
    with receiving() as opened:
        yield opened


def states(house: House) -> list[str]:
    return [row.state.value for row in deliveries(house)]


def kinds(receiver: Receiver) -> list[str]:
    return [got.json["eventType"] for got in receiver.got]


def test_what_happens_is_told_once_to_who_wants_it(house: House, receiver: Receiver) -> None:
    carrier = courier(house)
    channel(house, url=receiver.url, events=["device.failure"])
    (device,) = house.node()
    house.set_state(device, DeviceState.FAILED, "XID 79")
    run(house, carrier)
    run(house, carrier)
    (got,) = receiver.got
    assert got.path == "/hook"
    assert got.json["eventType"] == "device.failure"
    assert got.json["data"]["reason"] == "XID 79"
    assert states(house) == ["sent"]


def test_the_past_is_not_told(house: House, receiver: Receiver) -> None:
    alert(house)
    carrier = courier(house)
    channel(house, url=receiver.url)
    run(house, carrier)
    assert receiver.got == []


def test_after_days_without_sending_only_the_last_day_is_told(
    house: House, receiver: Receiver
) -> None:
    carrier = courier(house)
    channel(house, url=receiver.url)
    alert(house, 1)
    house.clock.forward(hours=24)
    alert(house, 2)
    run(house, carrier)
    assert [got.json["data"]["alertId"] for got in receiver.got] == ["a-2"]


def test_an_event_that_was_rolled_back_is_not_told(house: House, receiver: Receiver) -> None:
    carrier = courier(house)
    channel(house, url=receiver.url)
    with house.database.writer() as session:
        say(session, "allocation.created")
        session.rollback()
    run(house, carrier)
    assert receiver.got == []


def test_a_receiver_that_says_500_is_asked_three_times_a_second_and_two_apart(
    house: House, receiver: Receiver
) -> None:
    carrier = courier(house)
    number = channel(house, url=receiver.url)
    receiver.status = 500
    alert(house)
    times = []
    for _ in range(10):
        before = len(receiver.got)
        run(house, carrier)
        times += [house.now] * (len(receiver.got) - before)
        house.clock.forward(seconds=1)
    assert [(when - times[0]).total_seconds() for when in times] == [0, 1, 3]
    ids = {got.headers["webhook-id"] for got in receiver.got}
    assert len(ids) == 1
    assert "answered 500" in str(deliveries(house)[0].error)
    assert states(house)[0] == "dead"
    assert found(house, number).failing_since is not None


def test_a_dead_letter_is_no_event_for_the_channel_itself_but_for_the_others(
    house: House, receiver: Receiver, other: Receiver
) -> None:
    carrier = courier(house)
    channel(house, "broken", url=receiver.url)
    channel(house, "working", url=other.url)
    receiver.status = 404
    for number in range(3):
        alert(house, number)
    run(house, carrier, until=house.now.replace(second=30))
    assert kinds(other) == ["alert.firing"] * 3 + ["notification.failing"]
    assert set(kinds(receiver)) == {"alert.firing"}


def test_ten_minutes_of_500_lose_nothing_that_people_are_told(
    house: House, receiver: Receiver
) -> None:
    carrier = courier(house)
    channel(house, kind="slack", url=receiver.url)
    receiver.status = 500
    alert(house)
    run(house, carrier)
    for _ in range(20):
        house.clock.forward(seconds=30)
        run(house, carrier)
    asked = len(receiver.got)
    assert 10 <= asked <= 20
    assert states(house) == ["waiting"]
    receiver.status = 200
    house.clock.forward(minutes=1)
    run(house, carrier)
    assert states(house) == ["sent"]
    assert len(receiver.got) == asked + 1


def test_of_one_alert_what_came_first_is_told_first(house: House, receiver: Receiver) -> None:
    carrier = courier(house)
    channel(house, url=receiver.url)
    receiver.answer = lambda _got: 500 if len(receiver.got) == 1 else 200
    alert(house, 1)
    alert(house, 1, kind="alert.resolved")
    alert(house, 2)
    run(house, carrier)
    assert [got.json["data"]["alertId"] for got in receiver.got] == ["a-1", "a-2"]
    house.clock.forward(seconds=1)
    run(house, carrier)
    assert kinds(receiver)[2:] == ["alert.firing", "alert.resolved"]


def test_a_redirect_is_not_followed(house: House, receiver: Receiver, other: Receiver) -> None:
    carrier = courier(house)
    channel(house, url=receiver.url)
    receiver.status, receiver.headers = 307, {"Location": other.url}
    alert(house)
    run(house, carrier, until=house.now.replace(second=10))
    assert other.got == []
    assert states(house)[0] == "dead"
    assert "redirects are not followed" in str(deliveries(house)[0].error)


def test_a_channel_that_hangs_delays_no_other(
    house: House, receiver: Receiver, other: Receiver
) -> None:
    carrier = courier(house)
    hanging = channel(house, "hangs", url=receiver.url)
    channel(house, "works", url=other.url)
    receiver.hold = Event()
    alert(house)
    carrier.tick(house.now)
    assert receiver.came.wait(10)
    assert other.came.wait(10)
    other.came.clear()
    alert(house, 2)
    carrier.tick(house.now)
    assert other.came.wait(10)
    assert len(receiver.got) == 1
    receiver.hold.set()
    assert carrier.wait(seconds=10)
    assert found(house, hanging).last_sent_at is not None


def test_an_answer_that_trickles_ends_with_the_timeout(house: House, receiver: Receiver) -> None:
    carrier = courier(house, timeout_seconds=0.5)
    channel(house, url=receiver.url)
    receiver.trickle = True
    alert(house)
    carrier.tick(house.now)
    assert carrier.wait(seconds=10)
    assert deliveries(house)[0].error is not None


def test_nobody_there_is_a_failure_like_any_other(house: House) -> None:
    carrier = courier(house)
    with receiving() as gone:
        url = gone.url
    channel(house, url=url)
    alert(house)
    run(house, carrier)
    assert "ConnectError" in str(deliveries(house)[0].error)
    assert states(house) == ["waiting"]


def test_a_name_that_means_somewhere_inside_is_never_asked(
    house: House, receiver: Receiver
) -> None:
    asked = []

    def look_up(host: str, port: int) -> list[str]:
        asked.append((host, port))
        return ["127.0.0.1"]

    carrier = courier(house, outbound=Outbound(allow_http=True))
    carrier._look_up = look_up
    channel(house, url=f"http://rebound.test:{receiver.port}/")
    alert(house)
    run(house, carrier, until=house.now.replace(second=5))
    assert asked
    assert receiver.got == []
    assert "not a public address" in str(deliveries(house)[0].error)


def test_the_address_that_was_judged_is_asked_by_its_name(house: House, receiver: Receiver) -> None:
    carrier = courier(house)
    answers = [["127.0.0.1"], ["192.0.2.1"]]
    carrier._look_up = lambda _host, _port: answers.pop(0)
    channel(house, url=f"http://hooks.test:{receiver.port}/x")
    alert(house)
    run(house, carrier)
    (got,) = receiver.got
    assert got.headers["host"] == f"hooks.test:{receiver.port}"
    assert len(answers) == 1


def test_five_thousand_alerts_at_once_are_one_message_for_people(
    house: House, receiver: Receiver
) -> None:
    carrier = courier(house)
    channel(house, kind="slack", url=receiver.url)
    alerts(house, range(5000))
    run(house, carrier)
    (got,) = receiver.got
    assert got.json["text"] == "5,000 notifications in one"
    assert states(house).count("digested") == 4999
    assert states(house)[0] == "sent"
    house.clock.forward(minutes=2)
    run(house, carrier)
    assert len(receiver.got) == 1


def test_a_digest_that_fails_is_tried_again_as_a_whole(house: House, receiver: Receiver) -> None:
    carrier = courier(house)
    channel(house, kind="slack", url=receiver.url)
    receiver.status = 503
    alerts(house, range(30))
    run(house, carrier)
    assert set(states(house)) == {"waiting"}
    receiver.status = 200
    alerts(house, range(30, 40))
    house.clock.forward(seconds=1)
    run(house, carrier)
    assert receiver.got[-1].json["text"] == "40 notifications in one"
    assert states(house).count("digested") == 39


def test_no_more_than_ten_messages_reach_people_in_a_minute(
    house: House, receiver: Receiver
) -> None:
    carrier = courier(house)
    channel(house, kind="slack", url=receiver.url)
    for number in range(40):
        alert(house, number)
        run(house, carrier)
        house.clock.forward(seconds=1)
    assert len(receiver.got) == 10
    house.clock.forward(minutes=1)
    run(house, carrier)
    assert len(receiver.got) == 11
    assert receiver.got[-1].json["text"] == "30 notifications in one"
    assert "waiting" not in states(house)


def test_what_is_critical_does_not_wait_for_the_next_minute(
    house: House, receiver: Receiver
) -> None:
    carrier = courier(house)
    channel(house, kind="slack", url=receiver.url)
    alerts(house, range(10))
    run(house, carrier)
    alert(house, 11)
    run(house, carrier)
    assert len(receiver.got) == 10
    alert(house, 12, severity="critical")
    run(house, carrier)
    assert len(receiver.got) == 11


def test_machines_get_each_of_many_events(house: House, receiver: Receiver) -> None:
    carrier = courier(house)
    channel(house, url=receiver.url)
    alerts(house, range(100))
    run(house, carrier)
    assert [got.json["data"]["alertId"] for got in receiver.got] == [f"a-{n}" for n in range(100)]


def test_in_quiet_hours_only_what_is_critical_is_told_at_once(
    house: House, receiver: Receiver
) -> None:
    carrier = courier(house)
    quiet = {"from": "11:00", "until": "13:00", "timezone": "UTC"}
    channel(house, kind="slack", url=receiver.url, quietHours=quiet)
    alert(house, 1)
    alert(house, 2, severity="critical")
    run(house, carrier)
    assert len(receiver.got) == 1
    house.clock.forward(minutes=59)
    run(house, carrier)
    assert len(receiver.got) == 1
    house.clock.forward(minutes=1)
    run(house, carrier)
    assert len(receiver.got) == 2


def test_who_was_not_told_of_an_alert_is_not_told_that_it_is_over(
    house: House, receiver: Receiver
) -> None:
    carrier = courier(house)
    channel(house, url=receiver.url)
    alert(house, 1, silenced=True)
    alert(house, 2)
    run(house, carrier)
    alert(house, 1, kind="alert.resolved")
    alert(house, 2, kind="alert.resolved", silenced=True)
    run(house, carrier)
    told = [(got.json["eventType"], got.json["data"]["alertId"]) for got in receiver.got]
    assert told == [("alert.firing", "a-2"), ("alert.resolved", "a-2")]


def test_a_receiver_of_what_is_over_only_hears_of_that(house: House, receiver: Receiver) -> None:
    carrier = courier(house)
    channel(house, url=receiver.url, events=["alert.resolved"])
    alert(house)
    alert(house, kind="alert.resolved")
    run(house, carrier)
    assert kinds(receiver) == ["alert.resolved"]


def test_a_channel_that_is_switched_off_is_told_nothing(house: House, receiver: Receiver) -> None:
    carrier = courier(house)
    channel(house, url=receiver.url, enabled=False)
    alert(house)
    run(house, carrier)
    assert deliveries(house) == []


def test_stopping_starts_nothing_and_leaves_the_rest_for_the_next_process(
    house: House, receiver: Receiver
) -> None:
    carrier = courier(house)
    channel(house, url=receiver.url)
    carrier.stop()
    alert(house)
    carrier.tick(house.now)
    assert carrier.wait(seconds=1)
    assert states(house) == ["waiting"]
    run(house, courier(house))
    assert states(house) == ["sent"]


def test_a_channel_of_the_settings_has_its_secrets_in_memory_only(
    house: House, receiver: Receiver
) -> None:
    one = Configured(
        "monitoring",
        ChannelKind.WEBHOOK,
        {"events": ["alert.*"]},
        {"format": "generic"},
        {"url": receiver.url, "headers": {"Authorization": "Bearer s3cret"}},
    )
    with house.database.write() as session:
        service.settle(session, [one], now=house.now)
    assert b"s3cret" not in _everything(house)
    carrier = courier(house, configured=(one,))
    alert(house)
    run(house, carrier)
    assert receiver.got[0].headers["authorization"] == "Bearer s3cret"
    forgetful = courier(house)
    alert(house, 2)
    run(house, forgetful)
    assert "settings do not name" in str(deliveries(house)[1].error)


def _everything(house: House) -> bytes:
    folder = Path(str(house.database.engine.url.database)).parent
    return b"".join(file.read_bytes() for file in folder.iterdir() if file.is_file())


def test_a_secret_can_be_a_file(
    house: House, receiver: Receiver, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("secrets")
    (folder / "hook").write_text(receiver.url + "\n")
    channel(house, url="file:hook")
    channel(house, "lost", url="file:gone")
    carrier = courier(house, secrets_dir=folder)
    alert(house)
    run(house, carrier)
    assert len(receiver.got) == 1
    assert "gone of secrets cannot be read" in str(deliveries(house)[1].error)
    assert _secret_of(folder, "file:../x") == "../x is no plain file name"


def _secret_of(folder: Any, text: str) -> str:
    with pytest.raises(Exception) as missing:  # noqa: PT011 - the sentence is looked at
        Terms(secrets_dir=folder).secret(text)
    return str(missing.value)


def test_a_message_says_what_happened_then_not_what_is_now(
    house: House, receiver: Receiver
) -> None:
    carrier = courier(house)
    channel(house, url=receiver.url, events=["device.*"])
    (device,) = house.node()
    house.set_state(device, DeviceState.FAILED, "XID 79")
    carrier.take(house.now)
    house.set_state(device, DeviceState.READY, "replaced")
    run(house, carrier)
    assert kinds(receiver)[-2:] == ["device.failure", "device.state"]
    assert receiver.got[-2].json["data"]["state"] == "FAILED"
    assert all(row.state is DeliveryState.SENT for row in deliveries(house))


def test_one_message_that_cannot_be_made_holds_up_no_other(
    house: House, receiver: Receiver
) -> None:
    carrier = courier(house)
    channel(house, url=receiver.url)
    alerts(house, [1, 2])
    carrier.take(house.now)
    with house.database.write() as session:
        session.get_one(Delivery, 1).message = {"title": "half", "text": "a row"}
    run(house, carrier, until=house.now.replace(second=5))
    assert [got.json["data"]["alertId"] for got in receiver.got] == ["a-2"]
    assert states(house)[0] == "dead"
    assert "cannot be made: KeyError" in str(deliveries(house)[0].error)
