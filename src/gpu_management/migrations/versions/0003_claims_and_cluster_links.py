"""claims and cluster links.

Revision 0003, after 0002.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import oracle

from gpu_management.core import database as types

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "gpu_cluster_links",
        sa.Column("cluster_name", sa.String(length=63), nullable=False),
        sa.Column("enforcement", sa.String(length=24), nullable=False),
        sa.Column("synced_at", types.UtcDateTime(), nullable=True),
        sa.Column("stale_since", types.UtcDateTime(), nullable=True),
        sa.Column("message", sa.String(length=400), nullable=True),
        sa.Column("notes", types.JsonText(), nullable=False),
        sa.ForeignKeyConstraint(
            ["cluster_name"], ["gpu_clusters.name"], name=op.f("fk_gpu_cluster_links_cluster_name")
        ),
        sa.PrimaryKeyConstraint("cluster_name", name=op.f("pk_gpu_cluster_links")),
    )
    op.create_table(
        "gpu_claims",
        sa.Column("allocation_id", sa.String(length=40), nullable=False),
        sa.Column("cluster_name", sa.String(length=63), nullable=False),
        sa.Column("namespace", sa.String(length=63), nullable=False),
        sa.Column("claim_name", sa.String(length=253), nullable=False),
        sa.Column("devices", types.JsonText(), nullable=False),
        sa.Column("owner", types.JsonText(), nullable=False),
        sa.Column(
            "wanted",
            sa.Enum("PRESENT", "ABSENT", name="wanted", native_enum=False, length=24),
            nullable=False,
        ),
        sa.Column(
            "ends_pods",
            sa.Boolean().with_variant(
                oracle.NUMBER(precision=1, scale=0, asdecimal=False), "oracle"
            ),
            nullable=False,
        ),
        sa.Column("claim_uid", sa.String(length=64), nullable=True),
        sa.Column("due_at", types.UtcDateTime(), nullable=True),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("failing_since", types.UtcDateTime(), nullable=True),
        sa.Column("last_error", sa.String(length=400), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("enforced_at", types.UtcDateTime(), nullable=True),
        sa.Column("gone_at", types.UtcDateTime(), nullable=True),
        sa.ForeignKeyConstraint(
            ["allocation_id"],
            ["gpu_allocations.allocation_id"],
            name=op.f("fk_gpu_claims_allocation_id"),
        ),
        sa.ForeignKeyConstraint(
            ["cluster_name"], ["gpu_clusters.name"], name=op.f("fk_gpu_claims_cluster_name")
        ),
        sa.PrimaryKeyConstraint("allocation_id", name=op.f("pk_gpu_claims")),
    )
    with op.batch_alter_table("gpu_claims", schema=None) as batch_op:
        batch_op.create_index("ix_gpu_claims_cluster", ["cluster_name", "wanted"], unique=False)
        batch_op.create_index("ix_gpu_claims_due", ["due_at"], unique=False)


def downgrade() -> None:
    """Take back."""
    with op.batch_alter_table("gpu_claims", schema=None) as batch_op:
        batch_op.drop_index("ix_gpu_claims_due")
        batch_op.drop_index("ix_gpu_claims_cluster")

    op.drop_table("gpu_claims")
    op.drop_table("gpu_cluster_links")
