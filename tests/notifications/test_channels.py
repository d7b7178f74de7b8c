import json
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_management.notifications import pagerduty, slack, teams
from gpu_management.notifications.messages import Message, Severity

AT = datetime(2026, 5, 1, 12, 30, tzinfo=UTC)
HOT = {"deviceId": "gpu-worker-1-GPU-00", "temperature": 87.5, "threshold": 85.0, "node": "w1"}


def message(kind: str = "device.overheating", **more: Any) -> Message:
    told: dict[str, Any] = {
        "severity": Severity.CRITICAL,
        "title": "GPU overheating",
        "text": "gpu-worker-1-GPU-00 is at 87.5 °C, above 85.0 °C",
        "at": AT,
        "subject_kind": "device",
        "subject_id": "gpu-worker-1-GPU-00",
        "details": HOT,
        **more,
    }
    return Message(kind=kind, **told)


def slack_body(told: Message) -> dict[str, Any]:
    return slack.body(told, slack.default_templates())


def test_slack_tells_of_overheating_as_the_guide_shows_it() -> None:
    header, section, actions = slack_body(message())["blocks"]
    assert header["text"] == {"type": "plain_text", "text": "🌡️ GPU 과열 알림"}
    assert [field["text"] for field in section["fields"]] == [
        "*장비 ID:*\ngpu-worker-1-GPU-00",
        "*현재 온도:*\n87.5°C",
        "*임계값:*\n85.0°C",
        "*발생 시간:*\n2026-05-01 12:30:00 UTC",
    ]
    assert actions["elements"][0]["url"] == "https://gpu-management.company.com/dashboard"


def test_slack_tells_of_an_allocation_as_the_guide_shows_it() -> None:
    details = {
        "allocationId": "a-1",
        "namespace": "ml",
        "podName": "train-0",
        "allocatedResource": "gpu-worker-1-GPU-00",
        "costPerHour": 6.88,
    }
    told = message("allocation.created", severity=Severity.INFO, details=details)
    made = slack_body(told)
    assert made["text"] == "✅ GPU 할당 성공"
    (attachment,) = made["attachments"]
    assert attachment["color"] == "good"
    assert [field["value"] for field in attachment["fields"]] == [
        "a-1",
        "ml/train-0",
        "gpu-worker-1-GPU-00",
        "$6.88",
    ]
    assert all(field["short"] for field in attachment["fields"])


def test_another_kind_and_a_resolved_alert_get_a_plain_message() -> None:
    other = slack_body(message("budget.threshold", title="Budget at 80 %", details={"team": "ml"}))
    assert other["text"] == "Budget at 80 %"
    assert "*team:* ml" in other["attachments"][0]["blocks"][0]["text"]["text"]
    over = slack_body(message(resolved=True))
    assert over["text"] == "✅ GPU overheating"
    assert over["attachments"][0]["color"] == "good"


def test_a_value_cannot_call_a_whole_channel() -> None:
    made = slack_body(message(details={**HOT, "deviceId": "<!channel> <http://x|y>"}))
    text = made["blocks"][1]["fields"][0]["text"]
    assert text == "*장비 ID:*\n&lt;!channel&gt; &lt;http://x|y&gt;"


@pytest.mark.parametrize(
    ("severity", "colour"), [(Severity.CRITICAL, "FF0000"), (Severity.WARNING, "FFA500")]
)
def test_teams_gets_the_guides_card(severity: Severity, colour: str) -> None:
    card = teams.body(message(severity=severity), teams.default_templates())
    assert card["@type"] == "MessageCard"
    assert card["@context"] == "https://schema.org/extensions"
    assert card["themeColor"] == colour
    assert card["summary"] == "GPU 관리 알림"
    (section,) = card["sections"]
    assert section["activityTitle"] == "GPU overheating"
    assert [fact["name"] for fact in section["facts"]] == ["장비 ID:", "상세 정보:", "발생 시간:"]
    assert section["facts"][0]["value"] == "gpu-worker-1-GPU-00"


def test_teams_workflows_get_an_adaptive_card() -> None:
    made = teams.body(message(), {}, form=teams.Format.ADAPTIVE_CARD)
    (attachment,) = made["attachments"]
    assert attachment["contentType"] == "application/vnd.microsoft.card.adaptive"
    container, text, facts = attachment["content"]["body"]
    assert container["style"] == "attention"
    assert text["wrap"] is True
    assert {"title": "deviceId", "value": "gpu-worker-1-GPU-00"} in facts["facts"]


def test_pagerduty_is_triggered_as_the_guide_shows_it() -> None:
    key = pagerduty.dedup_key("gpu-worker-1", "gpu-management", AT)
    assert key == "gpu-gpu-worker-1-gpu-management-20260501"
    assert pagerduty.body(message(), "R", key=key) == {
        "routing_key": "R",
        "event_action": "trigger",
        "dedup_key": key,
        "payload": {
            "summary": "gpu-worker-1-GPU-00 is at 87.5 °C, above 85.0 °C",
            "source": "gpu-worker-1-GPU-00",
            "severity": "critical",
            "component": "gpu-management",
            "group": "gpu-cluster",
            "class": "gpu-hardware",
            "custom_details": {**HOT, "temperature": "87.5°C", "threshold": "85.0°C"},
        },
    }


def test_pagerduty_resolves_with_the_key_that_was_kept() -> None:
    assert pagerduty.body(message(resolved=True), "R", key="k") == {
        "routing_key": "R",
        "event_action": "resolve",
        "dedup_key": "k",
    }


def test_a_key_is_of_the_day_in_utc_wherever_the_server_stands() -> None:
    seoul = datetime(2026, 5, 2, 3, 0, tzinfo=timezone(timedelta(hours=9)))
    assert pagerduty.dedup_key("s", "c", seoul).endswith("20260501")


@given(st.text(), st.text())
def test_every_channel_makes_json_of_any_values(device: str, text: str) -> None:
    told = message(text=text, details={**HOT, "deviceId": device})
    for made in (
        slack_body(told),
        teams.body(told, teams.default_templates()),
        teams.body(told, {}, form=teams.Format.ADAPTIVE_CARD),
        pagerduty.body(told, "R", key="k"),
    ):
        assert json.loads(json.dumps(made)) == made
