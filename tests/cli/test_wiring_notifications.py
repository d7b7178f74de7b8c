"""Settings become channels: the integration guide's file, and what can be wrong."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gpu_management.cli.wiring_notifications import courier_of, terms_of
from gpu_management.core.settings import Settings
from gpu_management.core.settings_items import SettingsError
from gpu_management.core.settings_load import load
from gpu_management.devices.service import DeviceState
from gpu_management.notifications import service
from gpu_management.notifications.messages import Message, Severity
from gpu_management.notifications.models import ChannelKind
from gpu_management.notifications.posts import Target, post_of
from tests.support.apps import NOON
from tests.support.channels import alert, channel, run
from tests.support.house import House
from tests.support.receivers import receiving

GUIDE = Path(__file__).parents[1] / "acceptance" / "guide" / "application-gpu.yml"
HERE = {
    "alerts.notification.allowed-networks": "127.0.0.0/8",
    "alerts.notification.allow-http": "true",
}


def settings(flags: Mapping[str, object] | None = None, **environ: str) -> Settings:
    return load(environ=environ, flags=flags or {}).settings


def guide(**environ: str) -> Settings:
    return load(config=[GUIDE], environ=environ, flags=HERE).settings


def test_the_guides_file_makes_its_channels() -> None:
    found = terms_of(
        guide(
            SLACK_WEBHOOK_URL="https://hooks.slack.com/services/T/B/x",
            TEAMS_WEBHOOK_URL="https://acme.webhook.office.com/x",
            MONITORING_WEBHOOK_URL="https://monitoring.company.com/hook",
            MONITORING_API_KEY="key-hunter2",
        )
    ).configured
    assert [(one.name, one.kind.value) for one in found] == [
        ("slack", "slack"),
        ("teams", "teams"),
        ("slack-notifications", "webhook"),
        ("monitoring-system", "webhook"),
    ]
    assert found[3].route["events"] == ["device.failure", "allocation.failed"]
    assert "hunter2" not in repr(found)


def test_the_guides_webhook_gets_payload_headers_and_three_attempts(house: House) -> None:
    with receiving() as receiver:
        told = guide(MONITORING_WEBHOOK_URL=receiver.url, MONITORING_API_KEY="key-hunter2")
        carrier, jobs = courier_of(told, house.database, house.clock, terms_of(told))
        assert [job.name for job in jobs] == ["notifications"]
        receiver.status = 500
        (device,) = house.node()
        house.set_state(device, DeviceState.FAILED, "XID 79")
        times = []
        for _ in range(8):
            before = len(receiver.got)
            run(house, carrier)
            times += [house.now] * (len(receiver.got) - before)
            house.clock.forward(milliseconds=500)
    assert [(when - times[0]).total_seconds() for when in times] == [0, 1, 3]
    got = receiver.got[0]
    assert got.headers["authorization"] == "Bearer key-hunter2"
    assert got.headers["content-type"] == "application/json"
    assert sorted(got.json) == ["data", "eventType", "source", "timestamp"]
    assert (got.json["eventType"], got.json["source"]) == ("device.failure", "gpu-management")


def test_the_guides_slack_webhook_gets_the_guides_template(house: House) -> None:
    url = "https://hooks.slack.com/services/T/B/x"
    rules = terms_of(guide(SLACK_WEBHOOK_URL=url))
    hot = Message(
        kind="device.overheating",
        severity=Severity.WARNING,
        title="hot",
        text="hot",
        at=NOON,
        subject_kind="alert",
        subject_id="a",
        details={"deviceId": "n1-GPU-00", "temperature": 87.5, "threshold": 85.0},
    )
    target = Target(ChannelKind.WEBHOOK, url, slack_templates=rules.slack_templates)
    made = post_of(target, hot, message_id="x", now=NOON).content
    assert "🌡️ GPU 과열 알림" in made
    assert "*현재 온도:*\\n87.5°C" in made


def test_people_are_told_by_every_channel_that_has_an_address(house: House) -> None:
    with receiving() as receiver:
        told = settings(
            {
                **HERE,
                "alerts.notification.slack.webhook-url": receiver.url,
                "alerts.notification.teams.webhook-url": receiver.url,
                "alerts.notification.pagerduty.routing-key": "R",
                "alerts.notification.pagerduty.url": receiver.url,
            }
        )
        carrier, _ = courier_of(told, house.database, house.clock, terms_of(told))
        alert(house, severity="critical")
        run(house, carrier)
    assert len(receiver.got) == 3


def test_without_addresses_there_is_nobody_to_tell() -> None:
    assert terms_of(settings()).configured == ()
    assert terms_of(settings({"alerts.notification.mail.host": "relay"})).configured == ()


def test_mail_and_quiet_hours_come_from_the_settings() -> None:
    rules = terms_of(
        settings(
            {
                "alerts.notification.mail.host": "relay.company.com",
                "alerts.notification.mail.recipients": "a@x.org, b@x.org",
                "alerts.notification.quiet-hours.begin": "22:00",
                "alerts.notification.quiet-hours.timezone": "Asia/Seoul",
            }
        )
    )
    assert rules.mail is not None
    assert (rules.mail.host, rules.mail.port, rules.mail.tls) == (
        "relay.company.com",
        587,
        "starttls",
    )
    (one,) = rules.configured
    assert one.options["recipients"] == ["a@x.org", "b@x.org"]
    assert one.options["quiet_hours"]["from"] == "22:00"


@pytest.mark.parametrize(
    ("key", "value", "sentence"),
    [
        ("slack.templates", {"x": '{"a": {{b}}}'}, "slack.templates[x]: no JSON comes out"),
        ("teams.templates", {"x": "{{#each a}}"}, "teams.templates[x]: line 1"),
        ("quiet-hours.timezone", "Mars/Base", "Mars/Base is no time zone"),
        ("quiet-hours.begin", "25:00", "is no time of day"),
    ],
)
def test_what_cannot_be_used_is_told_when_the_server_starts(
    key: str, value: Any, sentence: str
) -> None:
    with pytest.raises(SettingsError) as refused:
        terms_of(settings({f"alerts.notification.{key}": value}))
    assert sentence in str(refused.value)


def test_a_name_of_the_api_is_not_taken_over_by_the_settings(house: House) -> None:
    number = channel(house, "monitoring", url="https://a.test/x")
    told = terms_of(settings({"alerts.notification.slack.webhook-url": "https://h.test/x"}))
    (slack,) = told.configured
    with house.database.write() as session:
        service.settle(session, [replace(slack, name="monitoring")], now=house.now)
    with house.database.read() as session:
        rows = session.query(service.Channel).order_by("id").all()
    names = [(row.id, row.name) for row in rows]
    assert names == [(number, "monitoring"), (number + 1, "monitoring (settings)")]


def test_switched_off_nothing_is_sent_and_channels_stay(house: House) -> None:
    told = settings({"alerts.notification.enabled": "false"})
    _, jobs = courier_of(told, house.database, house.clock, terms_of(told))
    assert jobs == []
