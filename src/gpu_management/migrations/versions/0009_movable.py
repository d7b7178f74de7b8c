"""What an allocation lets a repacking do, when a plan may act, and what collectors cut.

Revision 0009, after 0008.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import oracle

from gpu_management.core import database as types

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "mig_node_reports",
        sa.Column("cluster_name", sa.String(length=63), nullable=False),
        sa.Column("node_name", sa.String(length=253), nullable=False),
        sa.Column("order_id", sa.String(length=64), nullable=True),
        sa.Column(
            "outcome",
            sa.Enum("working", "done", "failed", name="orderoutcome", native_enum=False, length=24),
            nullable=True,
        ),
        sa.Column("message", sa.String(length=1000), nullable=True),
        sa.Column("reported_at", types.UtcDateTime(), nullable=True),
        sa.Column("devices", types.JsonText(), nullable=False),
        sa.Column("seen_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["cluster_name"], ["gpu_clusters.name"], name=op.f("fk_mig_node_reports_cluster_name")
        ),
        sa.PrimaryKeyConstraint("cluster_name", "node_name", name=op.f("pk_mig_node_reports")),
    )
    flag = sa.Boolean().with_variant(oracle.NUMBER(precision=1, scale=0, asdecimal=False), "oracle")
    op.add_column("gpu_allocations", sa.Column("movable", flag, nullable=True))
    op.add_column("mig_plans", sa.Column("limits", types.JsonText(), nullable=True))


def downgrade() -> None:
    """Take back."""
    # In place: a copy of the table would take its rows' dependants along.
    op.drop_column("mig_plans", "limits")
    op.drop_column("gpu_allocations", "movable")
    op.drop_table("mig_node_reports")
