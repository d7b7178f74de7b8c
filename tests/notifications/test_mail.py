"""Mail, handed to a real server that speaks STARTTLS."""

from collections.abc import Iterator
from email import message_from_string, policy
from pathlib import Path
from typing import Any

import pytest

from gpu_management.notifications import mail
from gpu_management.notifications.messages import Message, Severity
from gpu_management.notifications.terms import MailServer
from tests.support.apps import NOON
from tests.support.channels import alert, channel, courier, deliveries, run
from tests.support.house import House
from tests.support.receivers import Mailbox, certificate_for, taking_mail


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return certificate_for(tmp_path, "localhost", "127.0.0.1")


@pytest.fixture
def box(certificate: Path) -> Iterator[Mailbox]:
    with taking_mail(certificate) as opened:
        yield opened


def server(box: Mailbox, **changes: Any) -> MailServer:
    told: dict[str, Any] = {
        "host": "localhost",
        "port": box.port,
        "username": "gpu",
        "password": "s3cret",
        "sender": "gpu@company.com",
    }
    return MailServer(**told | changes)


def message(**changes: Any) -> Message:
    plain: dict[str, Any] = {
        "kind": "device.failure",
        "severity": Severity.CRITICAL,
        "title": "GPU failed",
        "text": "n1-GPU-00: XID 79",
        "at": NOON,
        "subject_kind": "device",
        "subject_id": "n1-GPU-00",
        "details": {"deviceId": "n1-GPU-00", "labels": {"a": "b"}},
    }
    return Message(**plain | changes)


def letter(told: Message) -> Any:
    return mail.letter(
        told, sender="gpu@company.com", recipients=["ops@company.com"], message_id="gpu-7"
    )


def test_a_mail_arrives_encrypted_after_a_login(
    house: House, box: Mailbox, certificate: Path
) -> None:
    carrier = courier(house, mail=server(box), ca_file=certificate)
    channel(house, kind="mail", recipients=["ops@company.com", "oncall@company.com"])
    alert(house, severity="critical")
    run(house, carrier)
    assert box.encrypted
    assert box.logins == ["\0gpu\0s3cret"]
    assert box.recipients == ["ops@company.com", "oncall@company.com"]
    got = message_from_string(box.mails[0], policy=policy.default)
    assert got["Subject"] == "[CRITICAL] GPU 1 is hot"
    assert got["Auto-Submitted"] == "auto-generated"
    assert "deviceId: n1-GPU-01" in got.get_content()
    assert deliveries(house)[0].state == "sent"


def test_a_server_whose_certificate_is_unknown_gets_no_password(house: House, box: Mailbox) -> None:
    carrier = courier(house, mail=server(box))
    channel(house, kind="mail", recipients=["ops@company.com"])
    alert(house)
    run(house, carrier)
    assert box.logins == []
    assert box.mails == []
    assert "certificate verify failed" in str(deliveries(house)[0].error).lower()


def test_a_recipient_that_is_refused_is_told(house: House, box: Mailbox, certificate: Path) -> None:
    box.refuses = ("gone@company.com",)
    carrier = courier(house, mail=server(box), ca_file=certificate)
    channel(house, kind="mail", recipients=["gone@company.com"])
    alert(house)
    run(house, carrier)
    assert "no such user" in str(deliveries(house)[0].error)


def test_without_a_server_a_channel_of_mail_says_so(house: House) -> None:
    carrier = courier(house)
    channel(house, kind="mail", recipients=["ops@company.com"])
    alert(house)
    run(house, carrier)
    assert "mail.host is not set" in str(deliveries(house)[0].error)


@pytest.mark.parametrize("hostile", ["x\r\nBcc: all@company.com", "x\nSubject: y", "x\u2028y\x00"])
def test_a_value_cannot_add_a_header_or_a_recipient(hostile: str) -> None:
    made = letter(message(title=hostile, text=hostile, details={hostile: hostile}))
    assert made["Bcc"] is None
    assert len(made.get_all("Subject")) == 1
    head, _, _ = made.as_bytes().partition(b"\r\n\r\n")
    assert b"\r\nBcc" not in head
    assert made["Message-ID"] == "<gpu-7@gpu-management>"


@pytest.mark.parametrize(
    "wrong", ["", "ops", "@x", "a@", "a@b\r\nBcc: c@d", "a b@c", "a,b@c", "ops@firma.ö"]
)
def test_what_is_no_mail_address_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="no mail address"):
        mail.check_address(wrong)


def test_what_is_over_is_seen_in_the_subject() -> None:
    assert letter(message(resolved=True))["Subject"] == "[RESOLVED] GPU failed"
