"""Plans of repartitioning that are carried out.

Revision 0005, after 0004.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import oracle

from gpu_management.core import database as types

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "mig_plans",
        sa.Column("plan_id", sa.String(length=40), nullable=False),
        sa.Column("cluster_name", sa.String(length=63), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "DRAFT",
                "APPROVED",
                "RUNNING",
                "PAUSED",
                "DONE",
                "FAILED",
                "ROLLED_BACK",
                name="planstate",
                native_enum=False,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column(
            "method",
            sa.Enum(
                "ledger", "mig-manager", "dynamic", name="method", native_enum=False, length=24
            ),
            nullable=False,
        ),
        sa.Column("preview", types.JsonText(), nullable=False),
        sa.Column("found", types.JsonText(), nullable=False),
        sa.Column("tasks", types.JsonText(), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("stage", sa.String(length=40), nullable=False),
        sa.Column("stage_since", types.UtcDateTime(), nullable=True),
        sa.Column(
            "is_undoing",
            sa.Boolean().with_variant(
                oracle.NUMBER(precision=1, scale=0, asdecimal=False), "oracle"
            ),
            nullable=False,
        ),
        sa.Column("message", sa.String(length=2000), nullable=True),
        sa.Column("created_by", sa.String(length=120), nullable=False),
        sa.Column("approved_by", sa.String(length=120), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("approved_at", types.UtcDateTime(), nullable=True),
        sa.Column("started_at", types.UtcDateTime(), nullable=True),
        sa.Column("ended_at", types.UtcDateTime(), nullable=True),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(
            ["cluster_name"], ["gpu_clusters.name"], name=op.f("fk_mig_plans_cluster_name")
        ),
        sa.PrimaryKeyConstraint("plan_id", name=op.f("pk_mig_plans")),
    )
    with op.batch_alter_table("mig_plans", schema=None) as batch_op:
        batch_op.create_index("ix_mig_plans_state", ["state", "created_at"], unique=False)

    op.create_table(
        "mig_plan_nodes",
        sa.Column("plan_id", sa.String(length=40), nullable=False),
        sa.Column("node_name", sa.String(length=253), nullable=False),
        sa.Column("open_key", sa.String(length=320), nullable=True),
        sa.ForeignKeyConstraint(
            ["plan_id"], ["mig_plans.plan_id"], name=op.f("fk_mig_plan_nodes_plan_id")
        ),
        sa.PrimaryKeyConstraint("plan_id", "node_name", name=op.f("pk_mig_plan_nodes")),
        sa.UniqueConstraint("open_key", name=op.f("uq_mig_plan_nodes_open_key")),
    )


def downgrade() -> None:
    """Take back."""
    op.drop_table("mig_plan_nodes")
    with op.batch_alter_table("mig_plans", schema=None) as batch_op:
        batch_op.drop_index("ix_mig_plans_state")

    op.drop_table("mig_plans")
