"""What sensors and errors say about a GPU: healthy, suspect, failing, or unknown. Pure.

Codes of errors (XID) are sorted by what NVIDIA's catalogue advises: docs.nvidia.com/deploy/
xid-errors. Those of applications (13, 31, 43, 45, 68, 109) say nothing about the hardware; they are
also what NVIDIA's own device plugin ignores.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from gpu_management.devices.catalog import ThermalLimits

NEAR_SLOWDOWN_CELSIUS: Final = 3
"""So close to the temperature at which clocks are lowered, work is about to slow down."""
THROTTLED_RATIO: Final = 0.1
"""A GPU whose clocks heat held down for more of the time than this is slower than paid for."""

APPLICATION_XIDS: Final = frozenset({13, 31, 43, 45, 68, 109})
SUSPECT_XIDS: Final[Mapping[int, str]] = {
    63: "a memory row is to be replaced: reset the card when its work is done",
    74: "an NVLink failed: work over several GPUs stops or slows down",
    92: "many memory errors were corrected",
    94: "a memory error stopped one application: reset the card when its work is done",
}
"""Errors after which a GPU may still do its work."""
FAILING_XIDS: Final[Mapping[int, str]] = {
    48: "a memory error could not be corrected: reset the card",
    62: "the card's microcontroller halted: reset the card",
    64: "a bad memory row could not be replaced: the card is to be replaced",
    79: "the card has fallen off the bus: restart the node",
    95: "a memory error spread: reset the card",
    119: "the card's firmware does not answer: restart the node",
    120: "the card's firmware failed: restart the node",
    140: "a memory error in the card's firmware could not be corrected: reset the card",
}
"""Errors after which a GPU needs somebody."""
HARDWARE_XIDS: Final = frozenset(SUSPECT_XIDS) | frozenset(FAILING_XIDS)


class Verdict(StrEnum):
    """How a GPU is, by what is known of it."""

    HEALTHY = "healthy"
    SUSPECT = "suspect"
    FAILING = "failing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Vitals:
    """What is known of a GPU now; None: not known.

    `is_measured` says that it told something lately, `node_answers` that other GPUs of its node
    did. `double_bit` counts memory errors since the driver was loaded that could not be corrected;
    `throttled_ratio` is the part of the last minutes in which heat held its clocks down.
    """

    is_measured: bool
    node_answers: bool
    was_ever_measured: bool = True
    temperature_celsius: float | None = None
    last_xid: int | None = None
    double_bit: float | None = None
    remap_failed: bool | None = None
    throttled_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that speaks against a GPU."""

    code: str
    verdict: Verdict
    message: str
    facts: Mapping[str, float] = field(default_factory=dict)
    """Figures that the message is made of."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """How a GPU is, and why."""

    verdict: Verdict
    findings: tuple[Finding, ...]


def judge(vitals: Vitals, limits: ThermalLimits | None) -> Judgement:
    """Return the verdict on a GPU with its evidence, the gravest first.

    `limits` are those of its model; where they are not known, no temperature speaks against it.
    """
    if not vitals.is_measured:
        return _silent(vitals)
    found = (*_errors(vitals), *_memory(vitals), *_heat(vitals, limits))
    ordered = tuple(sorted(found, key=lambda one: one.verdict is not Verdict.FAILING))
    verdict = ordered[0].verdict if ordered else Verdict.HEALTHY
    return Judgement(verdict, ordered)


def _silent(vitals: Vitals) -> Judgement:
    if not vitals.was_ever_measured:
        return Judgement(Verdict.UNKNOWN, (_unknown("unmeasured", "it was never measured"),))
    if not vitals.node_answers:
        why = "nothing on its node is measured now: the exporter or the node is silent"
        return Judgement(Verdict.UNKNOWN, (_unknown("exporter-silent", why),))
    why = "it is not measured any more while other GPUs of its node are: it may be off the bus"
    verdict = Verdict.FAILING if vitals.last_xid == 79 else Verdict.SUSPECT  # noqa: PLR2004 - off the bus
    return Judgement(verdict, (Finding("gone", verdict, why), *_errors(vitals)))


def _unknown(code: str, why: str) -> Finding:
    return Finding(code, Verdict.UNKNOWN, why)


def _errors(vitals: Vitals) -> Iterator[Finding]:
    code = vitals.last_xid or 0
    if code in FAILING_XIDS:
        yield Finding(f"xid-{code}", Verdict.FAILING, f"XID {code}: {FAILING_XIDS[code]}")
    elif code in SUSPECT_XIDS:
        yield Finding(f"xid-{code}", Verdict.SUSPECT, f"XID {code}: {SUSPECT_XIDS[code]}")


def _memory(vitals: Vitals) -> Iterator[Finding]:
    if vitals.remap_failed:
        why = "no spare memory rows are left: the card is to be replaced"
        yield Finding("row-remap-failed", Verdict.FAILING, why)
    if vitals.double_bit:
        why = (
            f"{vitals.double_bit:.0f} memory errors could not be corrected since the driver was"
            " loaded: reset the card when its work is done"
        )
        yield Finding(
            "double-bit-errors", Verdict.SUSPECT, why, {"errors": round(vitals.double_bit)}
        )


def _heat(vitals: Vitals, limits: ThermalLimits | None) -> Iterator[Finding]:
    slowdown = None if limits is None else limits.slowdown_celsius
    degrees = vitals.temperature_celsius
    if slowdown is not None and degrees is not None and degrees >= slowdown - NEAR_SLOWDOWN_CELSIUS:
        why = f"{degrees:.0f} °C, and clocks are lowered at {slowdown} °C"
        facts = {"celsius": round(degrees), "slowdownCelsius": slowdown}
        yield Finding("hot", Verdict.SUSPECT, why, facts)
    ratio = vitals.throttled_ratio
    if ratio is not None and ratio > THROTTLED_RATIO:
        why = f"heat held its clocks down for {ratio:.0%} of the last minutes"
        yield Finding("throttled", Verdict.SUSPECT, why, {"ratio": round(ratio, 3)})
