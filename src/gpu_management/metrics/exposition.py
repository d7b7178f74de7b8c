"""Read the text that dcgm-exporter serves, with all its habits.

Sources: NVIDIA/dcgm-exporter at d5e5f51, etc/default-counters.csv (names, units) and
internal/pkg/rendermetrics (labels). `Hostname` became `hostname` there; both are read.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Final

from prometheus_client.parser import text_string_to_metric_families

from gpu_management.metrics.readings import Owner, Reading, Target

FIELDS: Final = {
    "DCGM_FI_DEV_GPU_UTIL": "gpu_util_pct",
    "DCGM_FI_DEV_MEM_COPY_UTIL": "memory_copy_util_pct",
    "DCGM_FI_DEV_ENC_UTIL": "encoder_util_pct",
    "DCGM_FI_DEV_DEC_UTIL": "decoder_util_pct",
    "DCGM_FI_PROF_GR_ENGINE_ACTIVE": "engine_active_ratio",
    "DCGM_FI_PROF_SM_ACTIVE": "sm_active_ratio",
    "DCGM_FI_PROF_SM_OCCUPANCY": "sm_occupancy_ratio",
    "DCGM_FI_PROF_PIPE_TENSOR_ACTIVE": "tensor_active_ratio",
    "DCGM_FI_PROF_DRAM_ACTIVE": "dram_active_ratio",
    "DCGM_FI_DEV_FB_USED": "memory_used_mib",
    "DCGM_FI_DEV_FB_FREE": "memory_free_mib",
    "DCGM_FI_DEV_FB_RESERVED": "memory_reserved_mib",
    "DCGM_FI_DEV_GPU_TEMP": "temperature_celsius",
    "DCGM_FI_DEV_MEMORY_TEMP": "memory_temperature_celsius",
    "DCGM_FI_DEV_POWER_USAGE": "power_w",
    "DCGM_FI_DEV_TOTAL_ENERGY_CONSUMPTION": "energy_mj",
    "DCGM_FI_DEV_SM_CLOCK": "sm_clock_mhz",
    "DCGM_FI_DEV_MEM_CLOCK": "memory_clock_mhz",
    "DCGM_FI_PROF_PCIE_TX_BYTES": "pcie_tx_bytes_per_second",
    "DCGM_FI_PROF_PCIE_RX_BYTES": "pcie_rx_bytes_per_second",
    "DCGM_FI_DEV_PCIE_REPLAY_COUNTER": "pcie_replays",
    "DCGM_FI_DEV_NVLINK_BANDWIDTH_TOTAL": "nvlink_bandwidth_total",
    "DCGM_FI_DEV_XID_ERRORS": "last_xid",
    "DCGM_FI_DEV_ECC_SBE_VOL_TOTAL": "ecc_single_bit",
    "DCGM_FI_DEV_ECC_DBE_VOL_TOTAL": "ecc_double_bit",
    "DCGM_FI_DEV_CORRECTABLE_REMAPPED_ROWS": "remapped_correctable",
    "DCGM_FI_DEV_UNCORRECTABLE_REMAPPED_ROWS": "remapped_uncorrectable",
    "DCGM_FI_DEV_ROW_REMAP_FAILURE": "remap_failed",
    "DCGM_FI_DEV_THERMAL_VIOLATION": "thermal_violation_ns",
    "DCGM_FI_DEV_POWER_VIOLATION": "power_violation_ns",
}
"""The series that are read, with the field of `Reading` each one fills."""

_XID_COUNT = "DCGM_EXP_XID_ERRORS_COUNT"
_CLOCK_EVENTS = "DCGM_EXP_CLOCK_EVENTS_COUNT"
_BLANK_FROM = 9_223_372_036_854_775_792
"""Older exporters print DCGM's "blank" values (not supported, not found, no data) as numbers."""
_UUID = ("UUID", "uuid", "gpu_uuid")
_NODE = ("Hostname", "hostname")
_WHOLE = {"last_xid": int, "remap_failed": bool}


class ExpositionInvalid(ValueError):
    """The text is no Prometheus exposition."""


def read_exposition(text: str) -> list[Reading]:
    """Return one reading for each GPU and MIG instance that the text tells of.

    A GPU's row is repeated for every pod that uses it: the values are taken once, the pods are
    collected. Rows of whole GPUs and rows of their instances stay apart. Series that are not known,
    blank values and values that are no number are left out: unknown stays unknown.

    Raises:
        ExpositionInvalid: the text cannot be parsed.
    """
    try:
        samples = [
            (sample.name, sample.labels, sample.value)
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        ]
    except ValueError as error:
        raise ExpositionInvalid(f"this is no Prometheus exposition: {error}") from error
    return read_samples(samples)


def read_samples(samples: Iterable[tuple[str, Mapping[str, str], float]]) -> list[Reading]:
    """Return the readings that samples of (name, labels, value) make up; see `read_exposition`."""
    readings: dict[Target, Reading] = {}
    for sampled, labels, value in samples:
        name = _known(sampled)
        target = _target(labels)
        if name is None or target is None:
            continue
        reading = readings.get(target)
        if reading is None:
            reading = readings[target] = _begun(target, labels)
        _add_owner(reading, labels)
        if math.isfinite(value) and value < _BLANK_FROM:
            _take(reading, name, labels, value)
    return list(readings.values())


def owner_of(labels: Mapping[str, str]) -> Owner | None:
    """Return the container that a row names, or None.

    A Prometheus that does not honour labels renames the workload's to `exported_…` and puts the
    exporter's own pod in `pod`; older exporters say `pod_name`.
    """
    for pod, namespace, container in (
        ("exported_pod", "exported_namespace", "exported_container"),
        ("pod", "namespace", "container"),
        ("pod_name", "pod_namespace", "container_name"),
    ):
        if labels.get(pod):
            return Owner(
                labels.get(namespace, ""),
                labels[pod],
                labels.get(container) or None,
                labels.get("pod_uid") or None,
            )
    return None


def _known(sampled: str) -> str | None:
    """The name without the `_total` that prometheus_client adds to counters."""
    for name in (sampled, sampled.removesuffix("_total")):
        if name in FIELDS or name in {_XID_COUNT, _CLOCK_EVENTS}:
            return name
    return None


def _first(labels: Mapping[str, str], names: Iterable[str]) -> str | None:
    return next((labels[name] for name in names if labels.get(name)), None)


def _target(labels: Mapping[str, str]) -> Target | None:
    uuid = _first(labels, _UUID)
    if uuid is None:
        return None
    return Target(uuid, _number(labels.get("GPU_I_ID")))


def _number(text: str | None) -> int | None:
    return int(text) if text and text.isdecimal() else None


def _begun(target: Target, labels: Mapping[str, str]) -> Reading:
    return Reading(
        target,
        node_name=_first(labels, _NODE),
        gpu_index=_number(labels.get("gpu")),
        pci_bus_id=labels.get("pci_bus_id") or None,
        model_name=_first(labels, ("modelName", "model_name")),
        profile_name=labels.get("GPU_I_PROFILE") or None,
        driver_version=labels.get("DCGM_FI_DRIVER_VERSION") or None,
    )


def _add_owner(reading: Reading, labels: Mapping[str, str]) -> None:
    owner = owner_of(labels)
    if owner is not None and owner not in reading.owners:
        reading.owners.append(owner)


def _take(reading: Reading, name: str, labels: Mapping[str, str], value: float) -> None:
    if name == _XID_COUNT:
        code = _number(labels.get("xid"))
        if code is not None:
            reading.xid_counts[code] = max(value, reading.xid_counts.get(code, 0))
        return
    if name == _CLOCK_EVENTS:
        event = labels.get("clock_event")
        if event:
            reading.clock_events[event] = max(value, reading.clock_events.get(event, 0))
        return
    known = FIELDS[name]
    before = getattr(reading, known)
    if before is None or value > before:
        setattr(reading, known, _WHOLE.get(known, float)(value))
