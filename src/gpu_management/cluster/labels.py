"""What GPU feature discovery says about a node in labels, and its traps.

With the MIG strategy `single` the product carries `-MIG-<profile>`, and count and memory mean the
MIG devices: they never say how many cards there are.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

_PREFIX = "nvidia.com/"
_SUFFIX = re.compile(r"(?P<product>.+?)(?:-MIG-(?P<profile>[\w.+]+?))?(?P<shared>-SHARED)?")
_MIG_COUNT = re.compile(r"nvidia\.com/mig-(?P<profile>\d+g\.\d+gb[\w.+]*?)\.count")


@dataclass(frozen=True, slots=True)
class GpuLabels:
    """What the labels of one node say; None means they do not say."""

    product: str
    card_count: int | None
    """Physical GPUs; None where the count is of MIG devices."""
    memory_mib: int | None
    """Memory of one card."""
    replicas: int
    """Pods that share each GPU by time-slicing; 1 is none."""
    mig_strategy: str | None
    single_profile: str | None
    mig_counts: Mapping[str, int] = field(default_factory=dict)
    driver_version: str | None = None


def read_gpu_labels(labels: Mapping[str, str]) -> GpuLabels | None:
    """Return what GPU feature discovery wrote on a node, or None where it wrote nothing."""
    told = labels.get(f"{_PREFIX}gpu.product")
    if not told:
        return None
    found = _SUFFIX.fullmatch(told)
    profile = found["profile"] if found else None
    is_of_slices = profile is not None
    return GpuLabels(
        product=found["product"] if found else told,
        card_count=None if is_of_slices else _number(labels, "gpu.count"),
        memory_mib=None if is_of_slices else _number(labels, "gpu.memory"),
        replicas=max(1, _number(labels, "gpu.replicas") or 1),
        mig_strategy=labels.get(f"{_PREFIX}mig.strategy"),
        single_profile=profile,
        mig_counts=_mig_counts(labels),
        driver_version=_driver_version(labels),
    )


def _number(labels: Mapping[str, str], name: str) -> int | None:
    text = labels.get(f"{_PREFIX}{name}", "")
    return int(text) if text.isascii() and text.isdigit() else None


def _mig_counts(labels: Mapping[str, str]) -> dict[str, int]:
    counts = {}
    for name, value in labels.items():
        found = _MIG_COUNT.fullmatch(name)
        if found and value.isascii() and value.isdigit():
            counts[found["profile"]] = int(value)
    return counts


def _driver_version(labels: Mapping[str, str]) -> str | None:
    full = labels.get(f"{_PREFIX}cuda.driver-version.full")
    if full:
        return full
    parts = [labels.get(f"{_PREFIX}cuda.driver.{part}") for part in ("major", "minor", "rev")]
    return ".".join(part for part in parts if part) or None
