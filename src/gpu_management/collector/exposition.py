"""Export what only NVML told of under dcgm-exporter's names, so that dashboards find it."""

from collections.abc import Iterable, Iterator
from typing import Final

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from gpu_management.metrics.exposition import FIELDS
from gpu_management.metrics.readings import Reading

_LABELS: Final = (
    "gpu",
    "UUID",
    "pci_bus_id",
    "device",
    "modelName",
    "GPU_I_PROFILE",
    "GPU_I_ID",
    "hostname",
    "container",
    "namespace",
    "pod",
)


class OwnReadings(Collector):
    """The last look's readings as metrics; a value that is not known has no series."""

    def __init__(self) -> None:
        """Begin with nothing to tell."""
        self.readings: list[Reading] = []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Yield each metric that at least one reading has."""
        readings = list(self.readings)
        for name, field in FIELDS.items():
            family = GaugeMetricFamily(name, _about(field), labels=_LABELS)
            for reading in readings:
                value = getattr(reading, field)
                if value is not None:
                    for labels in _rows(reading):
                        family.add_metric(labels, float(value))
            if family.samples:
                yield family


def _rows(reading: Reading) -> Iterable[list[str]]:
    """The labels of each row: one for every pod, as dcgm-exporter does it, or one without."""
    index = "" if reading.gpu_index is None else str(reading.gpu_index)
    instance = reading.target.gpu_instance_id
    common = [
        index,
        reading.target.uuid,
        reading.pci_bus_id or "",
        f"nvidia{index}" if index else "",
        reading.model_name or "",
        reading.profile_name or "",
        "" if instance is None else str(instance),
        reading.node_name or "",
    ]
    if not reading.owners:
        return [[*common, "", "", ""]]
    return [
        [*common, owner.container or "", owner.namespace, owner.pod] for owner in reading.owners
    ]


def _about(field: str) -> str:
    return f"{field.replace('_', ' ')}, read through NVML."
