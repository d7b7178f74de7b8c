"""Tables of measurements: samples, minutes, hours, use by pod. Unknown is NULL; a gap has no row.

Times of minutes and hours are Unix seconds of their beginning, so that every engine can group by
them. `gpu_instance_id` is -1 for a whole GPU, so that it can be part of the key.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, Float, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from gpu_management.core.database import Base, Flag, UtcDateTime

WHOLE_GPU: Final = -1


class Sample(Base):
    """What was measured of a GPU or an instance at a moment; names and units as in `readings`.

    `utilization_pct` is the best measure there was: SM active, else engine active, else GPU_UTIL.
    """

    __tablename__ = "gpu_usage_metrics"
    __table_args__ = ({"sqlite_with_rowid": False},)

    created_at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    device_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    gpu_instance_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    utilization_pct: Mapped[float | None] = mapped_column(Float)
    gpu_util_pct: Mapped[float | None] = mapped_column(Float)
    engine_active_ratio: Mapped[float | None] = mapped_column(Float)
    tensor_active_ratio: Mapped[float | None] = mapped_column(Float)
    dram_active_ratio: Mapped[float | None] = mapped_column(Float)
    memory_copy_util_pct: Mapped[float | None] = mapped_column(Float)
    encoder_util_pct: Mapped[float | None] = mapped_column(Float)
    decoder_util_pct: Mapped[float | None] = mapped_column(Float)
    memory_used_mib: Mapped[float | None] = mapped_column(Float)
    temperature_celsius: Mapped[float | None] = mapped_column(Float)
    memory_temperature_celsius: Mapped[float | None] = mapped_column(Float)
    power_w: Mapped[float | None] = mapped_column(Float)
    energy_mj: Mapped[float | None] = mapped_column(Float)
    sm_clock_mhz: Mapped[float | None] = mapped_column(Float)
    memory_clock_mhz: Mapped[float | None] = mapped_column(Float)
    pcie_tx_bytes_per_second: Mapped[float | None] = mapped_column(Float)
    pcie_rx_bytes_per_second: Mapped[float | None] = mapped_column(Float)
    ecc_double_bit: Mapped[float | None] = mapped_column(Float)
    last_xid: Mapped[int | None] = mapped_column()
    remap_failed: Mapped[bool | None] = mapped_column(Flag)
    thermal_violation_ns: Mapped[float | None] = mapped_column(Float)


class PodSample(Base):
    """What the processes of one pod did with a GPU or an instance at a moment.

    `busy_pct` (0 to 100) is None where the driver does not tell it by process.
    """

    __tablename__ = "gpu_pod_use"
    __table_args__ = ({"sqlite_with_rowid": False},)

    created_at: Mapped[datetime] = mapped_column(UtcDateTime, primary_key=True)
    device_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    gpu_instance_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    pod_uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    busy_pct: Mapped[float | None] = mapped_column(Float)
    memory_mib: Mapped[float | None] = mapped_column(Float)


class _RolledUp:
    """A stretch: means and highest values, and how many samples there were."""

    samples: Mapped[int] = mapped_column()
    utilization_samples: Mapped[int] = mapped_column()
    utilization_pct: Mapped[float | None] = mapped_column(Float)
    utilization_pct_max: Mapped[float | None] = mapped_column(Float)
    memory_used_mib: Mapped[float | None] = mapped_column(Float)
    memory_used_mib_max: Mapped[float | None] = mapped_column(Float)
    temperature_celsius: Mapped[float | None] = mapped_column(Float)
    temperature_celsius_max: Mapped[float | None] = mapped_column(Float)
    power_w: Mapped[float | None] = mapped_column(Float)
    power_w_max: Mapped[float | None] = mapped_column(Float)
    sm_clock_mhz: Mapped[float | None] = mapped_column(Float)
    tensor_active_ratio: Mapped[float | None] = mapped_column(Float)
    dram_active_ratio: Mapped[float | None] = mapped_column(Float)


class MinuteUse(_RolledUp, Base):
    """A minute of a GPU or an instance."""

    __tablename__ = "gpu_usage_minutes"
    __table_args__ = (
        Index("ix_gpu_usage_minutes_at", "at_ts"),
        {"sqlite_with_rowid": False},
    )

    device_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    gpu_instance_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at_ts: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


class PodMinute(Base):
    """A minute of one pod on a GPU whose shares somebody held; means of what was measured.

    A pod with fewer `busy_samples` than `samples` was not measured all the time it was there.
    """

    __tablename__ = "gpu_pod_minutes"
    __table_args__ = (
        Index("ix_gpu_pod_minutes_at", "at_ts"),
        {"sqlite_with_rowid": False},
    )

    device_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    gpu_instance_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    at_ts: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    pod_uid: Mapped[str] = mapped_column(String(64), primary_key=True)
    samples: Mapped[int] = mapped_column()
    busy_samples: Mapped[int] = mapped_column()
    busy_pct: Mapped[float | None] = mapped_column(Float)
    memory_mib: Mapped[float | None] = mapped_column(Float)


class HourUse(_RolledUp, Base):
    """An hour of a GPU or an instance; the order of its key is that of fleet-wide questions.

    `measured_minutes` are those with at least `measured_least` samples of utilisation, and
    `measured_pct` is the sum of their means: what the ledger counts.
    """

    __tablename__ = "gpu_usage_hours"
    __table_args__ = ({"sqlite_with_rowid": False},)

    at_ts: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    device_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    gpu_instance_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    measured_least: Mapped[int | None] = mapped_column()
    measured_minutes: Mapped[int | None] = mapped_column()
    measured_pct: Mapped[float | None] = mapped_column(Float)


class RollUp(Base):
    """How far samples have been rolled up; one row for each tier: `minute`, `hour`."""

    __tablename__ = "gpu_usage_rollups"

    tier: Mapped[str] = mapped_column(String(12), primary_key=True)
    done_until_ts: Mapped[int] = mapped_column(BigInteger)


class LateMinute(Base):
    """A minute that got samples after it had been rolled up: it is made again."""

    __tablename__ = "gpu_usage_late"

    at_ts: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)


class RemadeMinute(Base):
    """A minute that was made, or made again, long after it was over.

    The day it is in may be closed: its split into used and idle is then made anew.
    """

    __tablename__ = "gpu_usage_remade"

    at_ts: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    made_ts: Mapped[int] = mapped_column(BigInteger)
