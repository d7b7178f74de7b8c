"""Many messages in one: how many of what, and the worst of them. Pure."""

from collections import Counter
from collections.abc import Sequence

from gpu_management.notifications.messages import Message, Severity

KIND = "notification.digest"
SHOWN = 10
"""Messages of a digest that are told by their sentence."""


def digest(messages: Sequence[Message]) -> Message:
    """Return one message about several; its severity is the worst of theirs."""
    worst = sorted(messages, key=lambda message: (-message.severity.rank, message.at))
    by_severity = Counter(message.severity for message in messages)
    by_title = Counter(message.title for message in messages)
    counts = ", ".join(
        f"{by_severity[severity]:,} {severity.value}"
        for severity in reversed(Severity)
        if by_severity[severity]
    )
    lines = [f"{message.severity.value}: {message.text[:200]}" for message in worst[:SHOWN]]
    more = len(messages) - len(lines)
    if more:
        lines.append(f"and {more:,} more")
    first = min(messages, key=lambda message: message.at)
    return Message(
        kind=KIND,
        severity=worst[0].severity,
        title=f"{len(messages):,} notifications in one",
        text="\n".join([counts, *lines]),
        at=max(message.at for message in messages),
        subject_kind="notification",
        subject_id="digest",
        details={title: f"{count:,}" for title, count in by_title.most_common(SHOWN)},
        since=first.at,
    )
