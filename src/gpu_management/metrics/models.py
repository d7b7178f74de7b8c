"""Tables of measurements: samples, minutes, hours. Unknown is NULL; a gap has no row.

Times of minutes and hours are Unix seconds of their beginning, so that every engine can group by
them. `gpu_instance_id` is -1 for a whole GPU, so that it can be part of the key.
"""

from datetime import datetime
from typing import Final

from sqlalchemy import BigInteger, Float, Index, String
from sqlalchemy.orm import Mapped, mapped_column

from gpu_management.core.database import Base, UtcDateTime

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


class HourUse(_RolledUp, Base):
    """An hour of a GPU or an instance; the order of its key is that of fleet-wide questions."""

    __tablename__ = "gpu_usage_hours"
    __table_args__ = ({"sqlite_with_rowid": False},)

    at_ts: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    device_id: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    gpu_instance_id: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)


class RollUp(Base):
    """How far samples have been rolled up; one row for each tier: `minute`, `hour`."""

    __tablename__ = "gpu_usage_rollups"

    tier: Mapped[str] = mapped_column(String(12), primary_key=True)
    done_until_ts: Mapped[int] = mapped_column(BigInteger)


class LateMinute(Base):
    """A minute that got samples after it had been rolled up: it is made again."""

    __tablename__ = "gpu_usage_late"

    at_ts: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
