"""What is asked of the fleet, checked for what needs no database (VAL-02)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from decimal import Decimal
from hashlib import sha256

import orjson

from gpu_management.allocations.errors import AllocationInvalid
from gpu_management.allocations.models import WorkloadType
from gpu_management.core.problems import FieldError

MAX_COUNT = 64
"""GPUs of one allocation; they stand on one node."""
MAX_HOURS = 168
"""maxDurationHours at most: a week (fixed by the CRD)."""

_LABEL = re.compile(r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$")
_SUBDOMAIN = re.compile(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$")
_LONGEST_NAME = 253


@dataclass(frozen=True, slots=True)
class Ask:
    """One request for GPUs.

    With `use_mig` a slice of at least `required_memory_gb`, with `gpu_milli` a share of one
    device, with neither `count` whole GPUs.
    """

    namespace: str
    pod_name: str
    workload_type: WorkloadType
    required_memory_gb: int
    use_mig: bool = False
    count: int = 1
    gpu_milli: int | None = None
    cpu_milli: int = 0
    memory_mib: int = 0
    user_id: str | None = None
    team_id: str | None = None
    model_preference: tuple[str, ...] = ()
    model_ids: tuple[str, ...] = ()
    """Nothing else will do; empty is any."""
    node_selector: tuple[tuple[str, str], ...] = ()
    priority: int = 0
    max_duration_hours: int | None = None
    cost_limit: Decimal | None = None
    wait_seconds: int | None = field(default=None)
    movable: bool | None = None
    """Whether a repacking may move it; None leaves that to whoever plans."""

    @property
    def milli(self) -> int:
        """Return the thousandths of each device that are asked for; MIG decides its own."""
        return self.gpu_milli if self.gpu_milli is not None else 1000

    def fingerprint(self) -> str:
        """Return a digest that is equal for equal requests."""
        plain = {part.name: getattr(self, part.name) for part in fields(self)}
        return sha256(orjson.dumps(plain, default=str, option=orjson.OPT_SORT_KEYS)).hexdigest()


def check(ask: Ask) -> None:
    """Accept `ask` as far as it can be judged alone.

    Raises:
        AllocationInvalid: every fault is listed, with the rule and the rejected value.
    """
    faults = list(_faults(ask))
    if faults:
        raise AllocationInvalid("; ".join(fault.message for fault in faults), errors=faults)


def _faults(ask: Ask) -> Iterable[FieldError]:
    yield from _name_faults(ask)
    if ask.gpu_milli is not None and ask.use_mig:
        yield _fault(
            "gpuMilli", "exclusive", "gpuMilli and useMig exclude each other", ask.gpu_milli
        )
    if ask.gpu_milli is not None and ask.count > 1:
        yield _fault(
            "count", "share", f"a share is of one GPU; count is {ask.count}, allowed: 1", ask.count
        )
    if len(set(ask.model_preference)) != len(ask.model_preference):
        yield _fault("modelPreference", "unique", "modelPreference names a model twice", None)
    if len(set(ask.model_ids)) != len(ask.model_ids):
        yield _fault("modelIds", "unique", "modelIds names a model twice", None)


def _name_faults(ask: Ask) -> Iterable[FieldError]:
    if not _LABEL.fullmatch(ask.namespace):
        yield _fault(
            "namespace",
            "dns-1123-label",
            "namespace must be a DNS-1123 label: at most 63 of a-z 0-9 -,"
            " starting and ending with a letter or digit",
            ask.namespace[:80],
        )
    if len(ask.pod_name) > _LONGEST_NAME or not _SUBDOMAIN.fullmatch(ask.pod_name):
        yield _fault(
            "podName",
            "dns-1123-subdomain",
            "podName must be a DNS-1123 subdomain: at most 253 of a-z 0-9 - .,"
            " each part starting and ending with a letter or digit",
            ask.pod_name[:80],
        )


def _fault(name: str, rule: str, message: str, rejected: object) -> FieldError:
    return FieldError(name, rule, message, rejected)
