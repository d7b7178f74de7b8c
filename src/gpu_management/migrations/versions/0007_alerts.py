"""Alerts, silences, what the evaluator remembers, and the health of devices.

Revision 0007, after 0006.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import oracle

from gpu_management.core import database as types

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def _flag() -> sa.Boolean:
    return sa.Boolean().with_variant(oracle.NUMBER(precision=1, scale=0, asdecimal=False), "oracle")


def _enum(name: str, *values: str) -> sa.Enum:
    return sa.Enum(*values, name=name, native_enum=False, length=24)


def upgrade() -> None:
    """Apply."""
    # Not as a batch: that would write a large table anew.
    op.add_column("gpu_usage_metrics", sa.Column("remap_failed", _flag(), nullable=True))
    op.add_column("gpu_usage_metrics", sa.Column("thermal_violation_ns", sa.Float(), nullable=True))

    op.create_table(
        "gpu_device_health",
        sa.Column("device_id", types.RowId, autoincrement=False, nullable=False),
        sa.Column(
            "verdict",
            _enum("verdict", "healthy", "suspect", "failing", "unknown"),
            nullable=False,
        ),
        sa.Column("findings", types.JsonText(), nullable=False),
        sa.Column("since", types.UtcDateTime(), nullable=False),
        sa.Column("changed_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["device_id"], ["gpu_devices.id"], name=op.f("fk_gpu_device_health_device_id")
        ),
        sa.PrimaryKeyConstraint("device_id", name=op.f("pk_gpu_device_health")),
    )
    op.create_table(
        "gpu_alerts",
        sa.Column("id", types.RowId, nullable=False),
        sa.Column("alert_id", sa.String(length=40), nullable=False),
        sa.Column("fingerprint", sa.String(length=32), nullable=False),
        sa.Column("open_fingerprint", sa.String(length=32), nullable=True),
        sa.Column("name", sa.String(length=80), nullable=False),
        sa.Column("severity", _enum("severity", "critical", "warning", "info"), nullable=False),
        sa.Column(
            "component",
            _enum(
                "component", "gpu-hardware", "gpu-management", "mig-management", "cost-management"
            ),
            nullable=False,
        ),
        sa.Column("cluster_name", sa.String(length=63), nullable=True),
        sa.Column("device_id", sa.String(length=270), nullable=True),
        sa.Column("node_name", sa.String(length=253), nullable=True),
        sa.Column("team", sa.String(length=120), nullable=True),
        sa.Column("labels", types.JsonText(), nullable=False),
        sa.Column("summary", sa.String(length=1000), nullable=False),
        sa.Column("description", sa.String(length=2000), nullable=False),
        sa.Column("value", sa.Double(), nullable=True),
        sa.Column("threshold", sa.Double(), nullable=False),
        sa.Column("standing", types.JsonText(), nullable=False),
        sa.Column("is_known", _flag(), nullable=False),
        sa.Column("started_at", types.UtcDateTime(), nullable=False),
        sa.Column("fired_at", types.UtcDateTime(), nullable=False),
        sa.Column("resolved_at", types.UtcDateTime(), nullable=True),
        sa.Column("acknowledged_at", types.UtcDateTime(), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=120), nullable=True),
        sa.Column("comment", sa.String(length=400), nullable=True),
        sa.Column("silence_id", sa.String(length=40), nullable=True),
        sa.Column("escalations", sa.Integer(), nullable=False),
        sa.Column("escalate_at", types.UtcDateTime(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gpu_alerts")),
        sa.UniqueConstraint("alert_id", name=op.f("uq_gpu_alerts_alert_id")),
        sa.UniqueConstraint("open_fingerprint", name=op.f("uq_gpu_alerts_open_fingerprint")),
    )
    with op.batch_alter_table("gpu_alerts", schema=None) as batch_op:
        batch_op.create_index("ix_gpu_alerts_device", ["device_id"], unique=False)
        batch_op.create_index("ix_gpu_alerts_escalate", ["escalate_at"], unique=False)
        batch_op.create_index("ix_gpu_alerts_fired", ["fired_at"], unique=False)
        batch_op.create_index("ix_gpu_alerts_resolved", ["resolved_at"], unique=False)

    op.create_table(
        "gpu_alert_silences",
        sa.Column("silence_id", sa.String(length=40), nullable=False),
        sa.Column("matchers", types.JsonText(), nullable=False),
        sa.Column("starts_at", types.UtcDateTime(), nullable=False),
        sa.Column("ends_at", types.UtcDateTime(), nullable=False),
        sa.Column("comment", sa.String(length=400), nullable=False),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=120), nullable=False),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("silence_id", name=op.f("pk_gpu_alert_silences")),
    )
    with op.batch_alter_table("gpu_alert_silences", schema=None) as batch_op:
        batch_op.create_index("ix_gpu_alert_silences_ends", ["ends_at"], unique=False)

    op.create_table(
        "gpu_alert_evaluations",
        sa.Column("name", sa.String(length=24), nullable=False),
        sa.Column("edition", sa.BigInteger(), nullable=False),
        sa.Column("evaluated_at", types.UtcDateTime(), nullable=True),
        sa.Column("waiting", types.JsonText(), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_gpu_alert_evaluations")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("gpu_alert_evaluations")
    op.drop_table("gpu_alert_silences")
    op.drop_table("gpu_alerts")
    op.drop_table("gpu_device_health")
    op.drop_column("gpu_usage_metrics", "thermal_violation_ns")
    op.drop_column("gpu_usage_metrics", "remap_failed")
