"""measurements.

Revision 0004, after 0003.
"""

import sqlalchemy as sa
from alembic import op

from gpu_management.core import database as types

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "gpu_usage_hours",
        sa.Column("at_ts", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("device_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("gpu_instance_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("utilization_samples", sa.Integer(), nullable=False),
        sa.Column("utilization_pct", sa.Float(), nullable=True),
        sa.Column("utilization_pct_max", sa.Float(), nullable=True),
        sa.Column("memory_used_mib", sa.Float(), nullable=True),
        sa.Column("memory_used_mib_max", sa.Float(), nullable=True),
        sa.Column("temperature_celsius", sa.Float(), nullable=True),
        sa.Column("temperature_celsius_max", sa.Float(), nullable=True),
        sa.Column("power_w", sa.Float(), nullable=True),
        sa.Column("power_w_max", sa.Float(), nullable=True),
        sa.Column("sm_clock_mhz", sa.Float(), nullable=True),
        sa.Column("tensor_active_ratio", sa.Float(), nullable=True),
        sa.Column("dram_active_ratio", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint(
            "at_ts", "device_id", "gpu_instance_id", name=op.f("pk_gpu_usage_hours")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "gpu_usage_metrics",
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("device_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("gpu_instance_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("utilization_pct", sa.Float(), nullable=True),
        sa.Column("gpu_util_pct", sa.Float(), nullable=True),
        sa.Column("engine_active_ratio", sa.Float(), nullable=True),
        sa.Column("tensor_active_ratio", sa.Float(), nullable=True),
        sa.Column("dram_active_ratio", sa.Float(), nullable=True),
        sa.Column("memory_copy_util_pct", sa.Float(), nullable=True),
        sa.Column("encoder_util_pct", sa.Float(), nullable=True),
        sa.Column("decoder_util_pct", sa.Float(), nullable=True),
        sa.Column("memory_used_mib", sa.Float(), nullable=True),
        sa.Column("temperature_celsius", sa.Float(), nullable=True),
        sa.Column("memory_temperature_celsius", sa.Float(), nullable=True),
        sa.Column("power_w", sa.Float(), nullable=True),
        sa.Column("energy_mj", sa.Float(), nullable=True),
        sa.Column("sm_clock_mhz", sa.Float(), nullable=True),
        sa.Column("memory_clock_mhz", sa.Float(), nullable=True),
        sa.Column("pcie_tx_bytes_per_second", sa.Float(), nullable=True),
        sa.Column("pcie_rx_bytes_per_second", sa.Float(), nullable=True),
        sa.Column("ecc_double_bit", sa.Float(), nullable=True),
        sa.Column("last_xid", sa.Integer(), nullable=True),
        sa.PrimaryKeyConstraint(
            "created_at", "device_id", "gpu_instance_id", name=op.f("pk_gpu_usage_metrics")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "gpu_usage_minutes",
        sa.Column("device_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("gpu_instance_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at_ts", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("utilization_samples", sa.Integer(), nullable=False),
        sa.Column("utilization_pct", sa.Float(), nullable=True),
        sa.Column("utilization_pct_max", sa.Float(), nullable=True),
        sa.Column("memory_used_mib", sa.Float(), nullable=True),
        sa.Column("memory_used_mib_max", sa.Float(), nullable=True),
        sa.Column("temperature_celsius", sa.Float(), nullable=True),
        sa.Column("temperature_celsius_max", sa.Float(), nullable=True),
        sa.Column("power_w", sa.Float(), nullable=True),
        sa.Column("power_w_max", sa.Float(), nullable=True),
        sa.Column("sm_clock_mhz", sa.Float(), nullable=True),
        sa.Column("tensor_active_ratio", sa.Float(), nullable=True),
        sa.Column("dram_active_ratio", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint(
            "device_id", "gpu_instance_id", "at_ts", name=op.f("pk_gpu_usage_minutes")
        ),
        sqlite_with_rowid=False,
    )
    with op.batch_alter_table("gpu_usage_minutes", schema=None) as batch_op:
        batch_op.create_index("ix_gpu_usage_minutes_at", ["at_ts"], unique=False)

    op.create_table(
        "gpu_usage_late",
        sa.Column("at_ts", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("at_ts", name=op.f("pk_gpu_usage_late")),
    )
    op.create_table(
        "gpu_usage_rollups",
        sa.Column("tier", sa.String(length=12), nullable=False),
        sa.Column("done_until_ts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("tier", name=op.f("pk_gpu_usage_rollups")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("gpu_usage_rollups")
    op.drop_table("gpu_usage_late")
    with op.batch_alter_table("gpu_usage_minutes", schema=None) as batch_op:
        batch_op.drop_index("ix_gpu_usage_minutes_at")

    op.drop_table("gpu_usage_minutes")
    op.drop_table("gpu_usage_metrics")
    op.drop_table("gpu_usage_hours")
