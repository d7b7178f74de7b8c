"""When a plan may act: maintenance windows of nodes, and labels that keep plans away.

A window binds what a plan does of itself. Taking it back is not bound: half of a plan is worse
than a step outside the window.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Final

KEEP_LABEL: Final = "gpu.company.com/mig-plans"
"""Label of a node: with the value `never` no plan touches it, whatever the plan says."""
_NEVER: Final = "never"


@dataclass(frozen=True, slots=True)
class Window:
    """When a node may be touched."""

    node_name: str
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True, slots=True)
class Limits:
    """When and where a plan may act; a node without a window may be touched at any time."""

    windows: Sequence[Window] = ()
    kept_labels: Mapping[str, str] | None = None
    notice_seconds: float = 0.0
    """How long an allocation is told before it has to stop, where no cluster ends its pods."""


NO_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True)
class Closed:
    """Why nothing may be begun now; `is_over` where no later window comes."""

    why: str
    is_over: bool


def closed(
    windows: Sequence[Window], nodes: Iterable[str], *, now: datetime, margin: timedelta
) -> Closed | None:
    """Say why the nodes may not be touched now, or None; a window's last `margin` is too late."""
    found = [_closed(windows, node, now=now, margin=margin) for node in sorted(set(nodes))]
    told = [one for one in found if one is not None]
    return next((one for one in told if one.is_over), told[0] if told else None)


def _closed(
    windows: Sequence[Window], node: str, *, now: datetime, margin: timedelta
) -> Closed | None:
    own = sorted(
        (w for w in windows if w.node_name == node), key=lambda w: (w.starts_at, w.ends_at)
    )
    if not own or any(w.starts_at <= now < w.ends_at - margin for w in own):
        return None
    later = [w for w in own if w.starts_at > now]
    if not later:
        last = max(w.ends_at for w in own)
        if now < last:
            left = int((last - now).total_seconds())
            why = f"the window of {node} ends in {left} s, too soon for another task"
        else:
            why = f"the window of {node} ended at {_words(last)}"
        return Closed(why, is_over=True)
    first = later[0]
    why = (
        f"waits for the window of {node}, from {_words(first.starts_at)} to {_words(first.ends_at)}"
    )
    return Closed(why, is_over=False)


def without_past(limits: Limits, *, now: datetime, margin: timedelta) -> Limits:
    """Return the limits without the windows of nodes that have none left: somebody said go on."""
    names = {window.node_name for window in limits.windows}
    over = {
        name
        for name in names
        if (told := _closed(limits.windows, name, now=now, margin=margin)) and told.is_over
    }
    return replace(limits, windows=[w for w in limits.windows if w.node_name not in over])


def keeping_label(labels: Mapping[str, str], kept: Mapping[str, str] | None) -> str | None:
    """Return the label of a node that keeps plans away, as NAME=VALUE, or None."""
    for name, value in {**(kept or {}), KEEP_LABEL: _NEVER}.items():
        if labels.get(name) == value:
            return f"{name}={value}"
    return None


def as_document(limits: Limits) -> dict[str, Any]:
    """Return limits as the database keeps them."""
    return {
        "windows": [
            [w.node_name, w.starts_at.isoformat(), w.ends_at.isoformat()] for w in limits.windows
        ],
        "keptLabels": dict(limits.kept_labels or {}),
        "noticeSeconds": limits.notice_seconds,
    }


def read_limits(told: Mapping[str, Any] | None) -> Limits:
    """Return limits from the database."""
    if told is None:
        return Limits()
    windows = [
        Window(name, datetime.fromisoformat(starts), datetime.fromisoformat(ends))
        for name, starts, ends in told["windows"]
    ]
    return Limits(windows, told["keptLabels"], told["noticeSeconds"])


def _words(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
