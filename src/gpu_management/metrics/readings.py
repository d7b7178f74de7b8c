"""What was read of a GPU, or of a MIG instance, at one moment; None means not known."""

from dataclasses import dataclass, field, fields
from typing import Final


@dataclass(frozen=True, slots=True, order=True)
class Owner:
    """A container that uses a GPU; several may share one."""

    namespace: str
    pod: str
    container: str | None = None
    pod_uid: str | None = None


@dataclass(frozen=True, slots=True)
class Target:
    """What was measured: a GPU by its UUID, or one of its MIG instances by NVML's instance id.

    The instance id is not stable: an instance made anew may get another.
    """

    uuid: str
    gpu_instance_id: int | None = None


@dataclass(frozen=True, slots=True)
class PodUse:
    """How much of a GPU the processes of one pod used: percent busy (None: unknown), memory."""

    pod_uid: str
    busy_pct: float | None
    memory_mib: float | None


@dataclass(slots=True)
class Reading:
    """Everything one scrape told about a target.

    Percentages run from 0 to 100, ratios from 0 to 1; counters (`energy_mj`, the ECC, replay and
    NVLink ones) count since the driver was loaded and begin again at 0. On MIG instances power,
    temperature and energy are those of the whole GPU.
    """

    target: Target
    node_name: str | None = None
    gpu_index: int | None = None
    pci_bus_id: str | None = None
    model_name: str | None = None
    profile_name: str | None = None
    driver_version: str | None = None
    instance_uuid: str | None = None
    placement_start: int | None = None
    """Of a MIG instance: the memory slice it begins at. Tells two alike instances apart."""
    owners: list[Owner] = field(default_factory=list)
    gpu_util_pct: float | None = None
    memory_copy_util_pct: float | None = None
    encoder_util_pct: float | None = None
    decoder_util_pct: float | None = None
    engine_active_ratio: float | None = None
    sm_active_ratio: float | None = None
    sm_occupancy_ratio: float | None = None
    tensor_active_ratio: float | None = None
    dram_active_ratio: float | None = None
    memory_used_mib: float | None = None
    memory_free_mib: float | None = None
    memory_reserved_mib: float | None = None
    temperature_celsius: float | None = None
    memory_temperature_celsius: float | None = None
    power_w: float | None = None
    energy_mj: float | None = None
    sm_clock_mhz: float | None = None
    memory_clock_mhz: float | None = None
    pcie_tx_bytes_per_second: float | None = None
    pcie_rx_bytes_per_second: float | None = None
    pcie_replays: float | None = None
    nvlink_bandwidth_total: float | None = None
    last_xid: int | None = None
    """Sticky until the driver is loaded again: a code, not an event. 0 means none."""
    ecc_single_bit: float | None = None
    ecc_double_bit: float | None = None
    remapped_correctable: float | None = None
    remapped_uncorrectable: float | None = None
    remap_failed: bool | None = None
    thermal_violation_ns: float | None = None
    power_violation_ns: float | None = None
    xid_counts: dict[int, float] = field(default_factory=dict)
    """Errors by XID code in the exporter's last window (5 minutes by default)."""
    clock_events: dict[str, float] = field(default_factory=dict)
    """Times the clock was held back, by reason, in the same window."""
    pod_use: list[PodUse] = field(default_factory=list)
    """By pod, from process statistics; empty where processes cannot be seen."""

    @property
    def utilization_pct(self) -> float | None:
        """Return how busy it was, the better measure first: SM active, engine active, GPU_UTIL.

        GPU_UTIL is the share of time in which at least one kernel ran, however small, and does not
        exist for MIG instances.
        """
        for ratio in (self.sm_active_ratio, self.engine_active_ratio):
            if ratio is not None:
                return ratio * 100
        return self.gpu_util_pct


NUMBERS: Final = tuple(
    one.name for one in fields(Reading) if one.type in {float | None, int | None, bool | None}
)
"""The measured fields of a reading, and the index."""
