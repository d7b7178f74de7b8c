"""The bodies and headers of the integration guide (ACC-13, ACC-16, WHK-02, WHK-04, WHK-06)."""

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks.webhooks import Webhook

from gpu_management.notifications.messages import Message, Severity
from gpu_management.notifications.models import ChannelKind
from gpu_management.notifications.posts import Target, dedup_key, format_of, post_of

AT = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
SECRET = "whsec_" + "bm90IGEgc2VjcmV0IGF0IGFsbCBidXQgbG9uZw=="


def message(**changes: Any) -> Message:
    plain: dict[str, Any] = {
        "kind": "device.failure",
        "severity": Severity.CRITICAL,
        "title": "GPU failed",
        "text": "n1-GPU-00 (t4): XID 79",
        "at": AT,
        "subject_kind": "device",
        "subject_id": "n1-GPU-00",
        "details": {"deviceId": "n1-GPU-00", "reason": "XID 79"},
    }
    return Message(**plain | changes)


def webhook(**changes: Any) -> Target:
    return Target(ChannelKind.WEBHOOK, **{"url": "https://receiver.test/hook", **changes})


def post(target: Target, told: Message) -> Any:
    return post_of(target, told, message_id="gpu-7", now=AT)


def test_a_webhook_has_the_guides_four_fields() -> None:
    made = post(webhook(), message())
    assert json.loads(made.content) == {
        "eventType": "device.failure",
        "timestamp": "2026-05-01T12:30:00.000Z",
        "data": {"deviceId": "n1-GPU-00", "reason": "XID 79"},
        "source": "gpu-management",
    }
    assert made.headers["Content-Type"] == "application/json"


def test_headers_of_a_channel_replace_the_usual_ones_and_never_double_them() -> None:
    own = {"content-type": "application/cloudevents+json", "Authorization": "Bearer k"}
    headers = post(webhook(headers=own), message()).headers
    names = [name.lower() for name in headers]
    assert names.count("content-type") == 1
    assert headers["content-type"] == "application/cloudevents+json"
    assert headers["Authorization"] == "Bearer k"


def test_a_signed_webhook_passes_the_check_of_the_standard() -> None:
    now = datetime.now(UTC)
    made = post_of(webhook(signing_secret=SECRET), message(), message_id="gpu-7", now=now)
    assert Webhook(SECRET).verify(made.content, dict(made.headers))["eventType"] == "device.failure"
    assert made.headers["webhook-id"] == "gpu-7"


def test_a_repeat_has_the_same_id_and_a_new_signature() -> None:
    target = webhook(signing_secret=SECRET)
    first = post_of(target, message(), message_id="gpu-7", now=AT)
    later = post_of(target, message(), message_id="gpu-7", now=AT.replace(minute=31))
    assert first.content == later.content
    assert first.headers["webhook-id"] == later.headers["webhook-id"]
    assert first.headers["webhook-signature"] != later.headers["webhook-signature"]


@pytest.mark.parametrize(
    ("kind", "url", "form", "found"),
    [
        ("webhook", "https://hooks.slack.com/services/T/B/x", "auto", "slack"),
        ("webhook", "https://acme.webhook.office.com/x", "auto", "teams"),
        ("webhook", "https://prod-1.westeurope.logic.azure.com/x", "auto", "adaptivecard"),
        ("webhook", "https://events.pagerduty.com/v2/enqueue", "auto", "pagerduty"),
        ("webhook", "https://hooks.slack.com.evil.test/x", "auto", "generic"),
        ("webhook", "https://hooks.slack.com/services/T/B/x", "generic", "generic"),
        ("webhook", "https://receiver.test/x", "slack", "slack"),
        ("teams", "https://acme.webhook.office.com/x", "auto", "teams"),
        ("teams", "https://prod-1.logic.azure.com/x", "auto", "adaptivecard"),
        ("teams", "https://acme.webhook.office.com/x", "adaptivecard", "adaptivecard"),
        ("teams", "https://prod-1.logic.azure.com/x", "messagecard", "teams"),
        ("slack", "https://proxy.test/x", "auto", "slack"),
    ],
)
def test_a_receiver_is_known_by_its_host_unless_told_otherwise(
    kind: str, url: str, form: str, found: str
) -> None:
    assert format_of(Target(ChannelKind(kind), url, form)) == found


def test_slack_as_a_webhook_gets_slacks_body_and_no_signature() -> None:
    made = post(webhook(url="https://hooks.slack.com/services/T/B/x"), message())
    assert json.loads(made.content)["text"] == "GPU failed"
    assert "webhook-id" not in made.headers


def test_pagerduty_gets_the_key_that_resolves_after_midnight() -> None:
    began = datetime(2026, 5, 1, 23, 50, tzinfo=UTC)
    details = {"deviceId": "n1-GPU-00", "alert": "GPUGone"}
    target = Target(ChannelKind.PAGERDUTY, routing_key="R")
    fired = message(kind="alert.firing", since=began, at=began, details=details)
    over = message(kind="alert.resolved", since=began, at=AT, details=details, resolved=True)
    opened = post(target, fired)
    assert opened.url == "https://events.pagerduty.com/v2/enqueue"
    body, closing = json.loads(opened.content), json.loads(post(target, over).content)
    assert body["event_action"] == "trigger"
    assert body["dedup_key"] == "gpu-n1-GPU-00-GPUGone-20260501"
    assert closing == {
        "routing_key": "R",
        "event_action": "resolve",
        "dedup_key": body["dedup_key"],
    }


def test_two_alerts_about_one_gpu_are_two_incidents() -> None:
    one = message(details={"deviceId": "d", "alert": "GPUGone"})
    other = message(details={"deviceId": "d", "alert": "GPUHighTemperature"})
    assert dedup_key(one) != dedup_key(other)


def test_somebody_at_it_is_told_to_pagerduty_too() -> None:
    target = Target(ChannelKind.PAGERDUTY, routing_key="R")
    told = json.loads(post(target, message(kind="alert.acknowledged")).content)
    assert told["event_action"] == "acknowledge"


HOSTILE = st.text() | st.sampled_from(
    ['"}],"x":"', "{{message}}", "<!channel>", "\\", "\u2028", "\ud800", "${jndi:x}", "a\r\nb: c"]
)


@given(HOSTILE, HOSTILE)
def test_no_value_breaks_a_body_or_gets_into_a_header(device: str, text: str) -> None:
    told = message(
        text=text, details={"deviceId": device, "reason": text, "labels": {text: device}}
    )
    for target in (
        webhook(signing_secret=SECRET),
        Target(ChannelKind.SLACK, "https://hooks.slack.com/x"),
        Target(ChannelKind.TEAMS, "https://acme.webhook.office.com/x"),
        Target(ChannelKind.TEAMS, "https://x.logic.azure.com/x"),
        Target(ChannelKind.PAGERDUTY, routing_key="R"),
    ):
        made = post(target, told)
        assert json.loads(made.content.encode())
        assert all(value.isascii() and "\n" not in value for value in made.headers.values())
