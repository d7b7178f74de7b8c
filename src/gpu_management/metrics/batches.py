"""What a collector sends: the readings of one node at one moment, as JSON. No dependencies."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from gpu_management.metrics.readings import NUMBERS, Reading

_IDENTITY: Final = ("gpu_index", "placement_start")
VALUES: Final = tuple(name for name in NUMBERS if name not in _IDENTITY)
"""The measured fields of a reading that travel, in their order."""


@dataclass(frozen=True, slots=True)
class Batch:
    """One look at a node."""

    node_name: str
    collected_at: datetime
    source: str
    readings: list[Reading]
    lost_indices: tuple[int, ...] = ()


def pack(batch: Batch) -> dict[str, Any]:
    """Return the batch as the ingest endpoint takes it; what is not known is left out."""
    return {
        "nodeName": batch.node_name,
        "collectedAt": _moment(batch.collected_at),
        "source": batch.source,
        "lostIndices": list(batch.lost_indices),
        "readings": [_packed(reading) for reading in batch.readings],
    }


def _packed(reading: Reading) -> dict[str, Any]:
    told = {
        "uuid": reading.target.uuid,
        "gpuInstanceId": reading.target.gpu_instance_id,
        "profileName": reading.profile_name,
        "gpuIndex": reading.gpu_index,
        "pciBusId": reading.pci_bus_id,
        "modelName": reading.model_name,
        "driverVersion": reading.driver_version,
        "instanceUuid": reading.instance_uuid,
        "placementStart": reading.placement_start,
    }
    values = {camel(name): getattr(reading, name) for name in VALUES}
    return {
        **{key: value for key, value in told.items() if value is not None},
        "owners": [
            {"namespace": owner.namespace, "pod": owner.pod, "container": owner.container}
            for owner in reading.owners
        ],
        "values": {key: value for key, value in values.items() if value is not None},
        "xidCounts": {str(code): count for code, count in reading.xid_counts.items()},
        "clockEvents": reading.clock_events,
        "podUse": [
            {"podUid": one.pod_uid, "busyPct": one.busy_pct, "memoryMib": one.memory_mib}
            for one in reading.pod_use
        ],
    }


def camel(name: str) -> str:
    """Return a field's name on the wire: `power_w` is `powerW`."""
    first, *rest = name.split("_")
    return first + "".join(part.capitalize() for part in rest)


def _moment(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
