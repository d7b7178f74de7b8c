"""TLS: the connection goes to the address that was judged, the certificate is the name's."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from gpu_management.notifications.guard import Outbound
from gpu_management.notifications.messages import Message, Severity
from gpu_management.notifications.models import ChannelKind
from gpu_management.notifications.posts import Target
from gpu_management.notifications.sender import Outcome, Sender
from tests.support.apps import NOON
from tests.support.channels import HERE, terms
from tests.support.receivers import Receiver, certificate_for, receiving

MESSAGE = Message(
    kind="device.failure",
    severity=Severity.CRITICAL,
    title="GPU failed",
    text="n1-GPU-00: XID 79",
    at=NOON,
    subject_kind="device",
    subject_id="n1-GPU-00",
)


@pytest.fixture
def certificate(tmp_path: Path) -> Path:
    return certificate_for(tmp_path, "hooks.test")


@pytest.fixture
def receiver(certificate: Path) -> Iterator[Receiver]:
    with receiving(certificate) as opened:
        yield opened


def send(host: str, receiver: Receiver, ca_file: Path | None) -> Outcome:
    target = Target(ChannelKind.WEBHOOK, f"https://{host}:{receiver.port}/x")
    strict = Outbound(HERE.networks)
    rules = terms(outbound=strict, ca_file=ca_file)
    with Sender(rules, look_up=lambda _host, _port: ["127.0.0.1"]) as sender:
        return sender.send(target, MESSAGE, message_id="gpu-7", now=NOON)


def test_the_certificate_of_the_name_is_believed_at_the_address(
    receiver: Receiver, certificate: Path
) -> None:
    assert send("hooks.test", receiver, certificate).error is None
    assert receiver.got[0].headers["host"] == f"hooks.test:{receiver.port}"


def test_the_certificate_of_another_name_is_not(receiver: Receiver, certificate: Path) -> None:
    assert "mismatch" in str(send("other.test", receiver, certificate).error).lower()
    assert receiver.got == []


def test_a_certificate_that_nobody_vouches_for_is_not(receiver: Receiver) -> None:
    assert "certificate verify failed" in str(send("hooks.test", receiver, None).error).lower()


def test_many_messages_share_a_connection(receiver: Receiver, certificate: Path) -> None:
    target = Target(ChannelKind.WEBHOOK, f"https://hooks.test:{receiver.port}/x")
    rules = terms(outbound=Outbound(HERE.networks), ca_file=certificate)
    with Sender(rules, look_up=lambda _host, _port: ["127.0.0.1"]) as sender:
        ended = [
            sender.send(target, MESSAGE, message_id=f"gpu-{n}", now=NOON).error for n in range(5)
        ]
    assert ended == [None] * 5
    assert len(receiver.got) == 5
    assert len({got.peer for got in receiver.got}) == 1
