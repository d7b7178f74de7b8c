"""Makes docs/reference/events.md; the code is read to find every kind of event."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tools.docs_product import MADE, REFERENCE, ROOT

PAGE = REFERENCE / "events.md"
SOURCE = ROOT / "src" / "gpu_management"

_KIND: Final = re.compile(r"[a-z]+(\.[a-z-]+)+")
_ALLOCATION: Final = (
    "allocationId phase namespace podName teamId nodeName allocatedResource costPerHour message"
)
_BUDGET: Final = (
    "budgetId scope scopeName unit currency period mark amount spent projected periodEnd"
)
_DEVICE: Final = "deviceId state reason modelId"
_CLUSTER: Final = "cluster since message"
_MIG_PLAN: Final = "planId state task tasks isUndoing message"
_ALERT: Final = (
    "alertId fingerprint name severity component state labels annotations value threshold startsAt"
    " endsAt deviceId nodeName allocations silenced acknowledgedBy escalations"
)
_RATE: Final = "modelId profileName clusterName nodePool costPerHour effectiveFrom"
KINDS: Final = {
    "allocation.created": ("allocation", "An allocation holds its GPUs.", _ALLOCATION),
    "allocation.queued": ("allocation", "Nothing fits now; the request waits.", _ALLOCATION),
    "allocation.expiring": ("allocation", "It ends in a quarter of an hour.", _ALLOCATION),
    "allocation.cost-limit": (
        "allocation",
        "It has used four fifths of its cost limit, or reaches it in a quarter of an hour.",
        _ALLOCATION,
    ),
    "allocation.extended": ("allocation", "It may run longer.", _ALLOCATION),
    "allocation.enforced": ("allocation", "The cluster reserves its GPUs.", _ALLOCATION),
    "allocation.observed": ("allocation", "A pod got GPUs without us.", _ALLOCATION),
    "allocation.corrected": (
        "allocation",
        "The kubelet says that its pod has another GPU than was assumed; the ledger follows.",
        _ALLOCATION,
    ),
    "allocation.bound": ("allocation", "Other pods use it than before, or none.", _ALLOCATION),
    "allocation.preempting": (
        "allocation",
        "A request of higher priority needs its place; it is released after the notice.",
        _ALLOCATION,
    ),
    "allocation.idle": (
        "allocation",
        "Its GPUs lie idle; with `releaseAt` it is released then, unless it is used.",
        f"{_ALLOCATION} suggestionId releaseAt",
    ),
    "allocation.spared": ("allocation", "The notice is withdrawn; it goes on.", _ALLOCATION),
    "allocation.moving": ("allocation", "A plan stops it soon; it is told when.", _ALLOCATION),
    "allocation.stopped": ("allocation", "A plan ended its pods to cut its slice.", _ALLOCATION),
    "allocation.moved": ("allocation", "A plan moved it to another slice.", _ALLOCATION),
    "allocation.releasing": ("allocation", "It ends when its pods have.", _ALLOCATION),
    "allocation.released": ("allocation", "Its GPUs are free again.", _ALLOCATION),
    "allocation.failed": ("allocation", "It could not be served; it waited in vain.", _ALLOCATION),
    "device.registered": ("device", "A GPU joined the fleet.", _DEVICE),
    "device.updated": ("device", "Something told about a GPU changed.", _DEVICE),
    "device.removed": ("device", "A GPU left the fleet; its history stays.", _DEVICE),
    "device.state": (
        "device",
        "A GPU went into or out of maintenance, offline or service.",
        _DEVICE,
    ),
    "device.failure": ("device", "A GPU failed.", _DEVICE),
    "device.health": (
        "device",
        "What sensors and errors say about a GPU changed; its state did not.",
        "deviceId verdict findings allocations",
    ),
    "alert.firing": (
        "alert",
        "A condition has held long enough; again when its silence is over.",
        _ALERT,
    ),
    "alert.resolved": ("alert", "It does not hold any more.", _ALERT),
    "alert.acknowledged": ("alert", "Somebody takes it on.", _ALERT),
    "alert.escalated": ("alert", "Nobody took it on in time.", _ALERT),
    "alert.silenced": ("alert", "A silence covers it from now on.", _ALERT),
    "cluster.away": ("cluster", "The cluster cannot be read; what is shown is old.", _CLUSTER),
    "cluster.back": ("cluster", "The cluster can be read again.", _CLUSTER),
    "mig.changed": ("device", "MIG mode or the layout of a GPU changed.", "deviceId migEnabled"),
    "mig.plan.created": ("mig-plan", "A repartition plan was kept as a draft.", _MIG_PLAN),
    "mig.plan.approved": ("mig-plan", "A plan may be carried out.", _MIG_PLAN),
    "mig.plan.started": ("mig-plan", "Its devices are held back from now on.", _MIG_PLAN),
    "mig.plan.progressed": ("mig-plan", "One of its tasks is done, or taken back.", _MIG_PLAN),
    "mig.plan.paused": ("mig-plan", "It waits for a person; the message says why.", _MIG_PLAN),
    "mig.plan.resumed": ("mig-plan", "It goes on.", _MIG_PLAN),
    "mig.plan.cancelled": ("mig-plan", "Somebody gave it up.", _MIG_PLAN),
    "mig.plan.undoing": ("mig-plan", "A task failed; everything is taken back.", _MIG_PLAN),
    "mig.plan.done": ("mig-plan", "Every task is done.", _MIG_PLAN),
    "mig.plan.rolled-back": ("mig-plan", "The layout is again as it was recorded.", _MIG_PLAN),
    "mig.plan.failed": (
        "mig-plan",
        "Taking it back failed too: its devices are in maintenance.",
        _MIG_PLAN,
    ),
    "budget.threshold": ("budget", "A share of a budget is spent.", _BUDGET),
    "budget.run-rate": ("budget", "At its pace, a period will pass its budget.", _BUDGET),
    "billing.closed": (
        "month",
        "A month was closed for ever.",
        "month total currency lines fingerprint",
    ),
    "hold.corrected": (
        "hold",
        "What the ledger says of a hold was corrected.",
        "holdId allocationId startedAt endedAt milli correctsHoldId reason before",
    ),
    "notification.failing": (
        "notification-channel",
        "A message for a channel was given up; the others are told.",
        "channelId channel message",
    ),
    "rate.set": ("model", "A price was set.", _RATE),
    "rate.withdrawn": ("model", "A planned price was taken back.", _RATE),
}
"""Each kind of event: what its subject is, what happened, and the fields of its data."""

_INTRO: Final = """\
Every change writes its event in the same transaction: an event that you see happened, and
what happened has its event. Events are numbered in order and kept.

- `GET /api/v1/gpu/events` streams them (server-sent events). `Last-Event-ID` resumes after that
  number; `types=allocation.*,device.failure` narrows. `gpuctl events` follows the stream.
- `GET /api/v1/gpu/events/history` lists past ones. `gpuctl events --past` shows them.
- An event of a team is seen by that team and by ADMIN and OPERATOR; one of the fleet by everybody.

```json
{"id": 4711, "type": "allocation.created", "subjectKind": "allocation", "subjectId": "…",
 "team": "ml-team", "namespace": "ml-training", "data": {"allocationId": "…"},
 "createdAt": "2026-03-02T12:00:00.000Z"}
```"""


def page() -> str:
    """Return the text of the page."""
    lines = ["# Events", "", MADE, "", _INTRO, ""]
    lines += ["| Type | Subject | What happened | Fields of `data` |", "| --- | --- | --- | --- |"]
    for kind, (subject, about, fields) in KINDS.items():
        named = ", ".join(f"`{field}`" for field in fields.split())
        lines.append(f"| `{kind}` | {subject} | {about} | {named} |")
    return "\n".join(lines) + "\n"


def written() -> set[str]:
    """Return every kind of event that the code writes, found by reading its calls."""
    return {kind for file in SOURCE.rglob("*.py") for kind in _in_file(file)}


def _in_file(file: Path) -> Iterator[str]:
    """Yield kinds: told to `say`, `_say`, `_tell` or `events.record`, or rows of a bulk insert."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call) and _tells(node.func):
            yield from _kinds(node.args[1:3])
        elif isinstance(node, ast.Assign | ast.AnnAssign) and _assigns_kind(node):
            yield from _kinds([node.value] if node.value else [])
        elif isinstance(node, ast.Dict) and file.parent.name != "api":
            keys = [key.value if isinstance(key, ast.Constant) else None for key in node.keys]
            if {"type", "subject_kind"} <= set(keys):
                yield from _kinds([node.values[keys.index("type")]])


def _tells(called: ast.expr) -> bool:
    """Tell whether a call writes an event: `say`, `_tell` and the like, or `events.record`."""
    if isinstance(called, ast.Name):
        return called.id in {"say", "_say", "tell", "_tell", "_changed"}
    if not isinstance(called, ast.Attribute):
        return False
    return called.attr in {"say", "tell"} or ast.unparse(called) == "events.record"


def _assigns_kind(node: ast.Assign | ast.AnnAssign) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    names = {target.id for target in targets if isinstance(target, ast.Name)}
    return bool(names & {"kind", "_EVENT_OF"})


def _kinds(values: list[ast.expr]) -> Iterator[str]:
    for value in values:
        for part in ast.walk(value):
            if isinstance(part, ast.Constant) and _KIND.fullmatch(str(part.value)):
                yield part.value
