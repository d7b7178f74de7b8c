"""Use by pod and suggestions.

Revision 0010, after 0009.
"""

import sqlalchemy as sa
from alembic import op

from gpu_management.core import database as types

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "gpu_pod_use",
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("device_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("gpu_instance_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("pod_uid", sa.String(length=64), nullable=False),
        sa.Column("busy_pct", sa.Float(), nullable=True),
        sa.Column("memory_mib", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint(
            "created_at", "device_id", "gpu_instance_id", "pod_uid", name=op.f("pk_gpu_pod_use")
        ),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "gpu_pod_minutes",
        sa.Column("device_id", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("gpu_instance_id", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("at_ts", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("pod_uid", sa.String(length=64), nullable=False),
        sa.Column("samples", sa.Integer(), nullable=False),
        sa.Column("busy_samples", sa.Integer(), nullable=False),
        sa.Column("busy_pct", sa.Float(), nullable=True),
        sa.Column("memory_mib", sa.Float(), nullable=True),
        sa.PrimaryKeyConstraint(
            "device_id", "gpu_instance_id", "at_ts", "pod_uid", name=op.f("pk_gpu_pod_minutes")
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_gpu_pod_minutes_at", "gpu_pod_minutes", ["at_ts"], unique=False)
    op.create_table(
        "gpu_usage_remade",
        sa.Column("at_ts", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("made_ts", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("at_ts", name=op.f("pk_gpu_usage_remade")),
    )
    op.create_table(
        "gpu_suggestions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "type",
            sa.Enum("idle-release", name="suggestiontype", native_enum=False, length=24),
            nullable=False,
        ),
        sa.Column(
            "status",
            sa.Enum(
                "open",
                "noticed",
                "applied",
                "dismissed",
                "exempt",
                "withdrawn",
                name="status",
                native_enum=False,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("open_key", sa.String(length=80), nullable=True),
        sa.Column("allocation_id", sa.String(length=40), nullable=False),
        sa.Column("team_id", sa.String(length=120), nullable=True),
        sa.Column("namespace", sa.String(length=63), nullable=False),
        sa.Column("description", sa.String(length=400), nullable=False),
        sa.Column("evidence", types.JsonText(), nullable=False),
        sa.Column("current_cost", types.Money(), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("judged_at", types.UtcDateTime(), nullable=False),
        sa.Column("noticed_at", types.UtcDateTime(), nullable=True),
        sa.Column("release_at", types.UtcDateTime(), nullable=True),
        sa.Column("ended_at", types.UtcDateTime(), nullable=True),
        sa.Column("ended_by", sa.String(length=120), nullable=True),
        sa.Column("ended_reason", sa.String(length=400), nullable=True),
        sa.Column("saved", types.Money(), nullable=True),
        sa.Column("saved_until", types.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["allocation_id"],
            ["gpu_allocations.allocation_id"],
            name=op.f("fk_gpu_suggestions_allocation_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gpu_suggestions")),
        sa.UniqueConstraint("open_key", name=op.f("uq_gpu_suggestions_open_key")),
    )
    op.create_index(
        "ix_gpu_suggestions_allocation", "gpu_suggestions", ["allocation_id"], unique=False
    )
    op.create_index(
        "ix_gpu_suggestions_status", "gpu_suggestions", ["status", "created_at"], unique=False
    )
    op.create_table(
        "gpu_idle_exemptions",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "scope",
            sa.Enum(
                "allocation",
                "namespace",
                "team",
                name="exemptscope",
                native_enum=False,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("scope_name", sa.String(length=120), nullable=False),
        sa.Column("until", types.UtcDateTime(), nullable=False),
        sa.Column("note", sa.String(length=400), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gpu_idle_exemptions")),
        sa.UniqueConstraint(
            "scope", "scope_name", name=op.f("uq_gpu_idle_exemptions_scope_scope_name")
        ),
    )
    op.create_index("ix_gpu_idle_exemptions_until", "gpu_idle_exemptions", ["until"], unique=False)

    with op.batch_alter_table("gpu_usage_hours") as hours:
        hours.add_column(sa.Column("measured_least", sa.Integer(), nullable=True))
        hours.add_column(sa.Column("measured_minutes", sa.Integer(), nullable=True))
        hours.add_column(sa.Column("measured_pct", sa.Float(), nullable=True))


def downgrade() -> None:
    """Undo."""
    with op.batch_alter_table("gpu_usage_hours") as hours:
        for name in ("measured_pct", "measured_minutes", "measured_least"):
            hours.drop_column(name)
    op.drop_table("gpu_idle_exemptions")
    op.drop_table("gpu_suggestions")
    op.drop_table("gpu_usage_remade")
    op.drop_table("gpu_pod_minutes")
    op.drop_table("gpu_pod_use")
