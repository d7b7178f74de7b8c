"""Snapshots of ordinary resources.

Revision 0006, after 0005.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import oracle

from gpu_management.core import database as types

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

_ROW_ID = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def _flag(name: str) -> sa.Column[bool]:
    kind = sa.Boolean().with_variant(oracle.NUMBER(precision=1, scale=0, asdecimal=False), "oracle")
    return sa.Column(name, kind, nullable=False)


def _cluster(table: str) -> sa.ForeignKeyConstraint:
    return sa.ForeignKeyConstraint(
        ["cluster_name"], ["gpu_clusters.name"], name=op.f(f"fk_{table}_cluster_name")
    )


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "resource_snapshots",
        sa.Column("cluster_name", sa.String(length=63), nullable=False),
        sa.Column("collected_at", types.UtcDateTime(), nullable=False),
        sa.Column("measured_at", types.UtcDateTime(), nullable=True),
        sa.Column("note", sa.String(length=400), nullable=True),
        _cluster("resource_snapshots"),
        sa.PrimaryKeyConstraint("cluster_name", name=op.f("pk_resource_snapshots")),
    )
    op.create_table(
        "resource_nodes",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("cluster_name", sa.String(length=63), nullable=False),
        sa.Column("node_name", sa.String(length=253), nullable=False),
        _flag("is_ready"),
        _flag("is_schedulable"),
        sa.Column("pod_count", sa.Integer(), nullable=False),
        sa.Column("pod_capacity", sa.Integer(), nullable=True),
        sa.Column("cpu_capacity_milli", sa.Integer(), nullable=False),
        sa.Column("cpu_allocatable_milli", sa.Integer(), nullable=False),
        sa.Column("cpu_requested_milli", sa.Integer(), nullable=False),
        sa.Column("cpu_used_milli", sa.Integer(), nullable=True),
        sa.Column("memory_capacity_mib", sa.Integer(), nullable=False),
        sa.Column("memory_allocatable_mib", sa.Integer(), nullable=False),
        sa.Column("memory_requested_mib", sa.Integer(), nullable=False),
        sa.Column("memory_used_mib", sa.Integer(), nullable=True),
        sa.Column("gpu_capacity", sa.Integer(), nullable=True),
        sa.Column("gpu_requested", sa.Integer(), nullable=False),
        sa.Column(
            "heat",
            sa.Enum("HOT", "WARM", "COLD", name="heat", native_enum=False, length=24),
            nullable=True,
        ),
        _cluster("resource_nodes"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resource_nodes")),
        sa.UniqueConstraint(
            "cluster_name", "node_name", name=op.f("uq_resource_nodes_cluster_name_node_name")
        ),
    )
    op.create_table(
        "resource_pods",
        sa.Column("id", _ROW_ID, nullable=False),
        sa.Column("cluster_name", sa.String(length=63), nullable=False),
        sa.Column("namespace", sa.String(length=63), nullable=False),
        sa.Column("pod_name", sa.String(length=253), nullable=False),
        sa.Column("pod_uid", sa.String(length=64), nullable=False),
        sa.Column("node_name", sa.String(length=253), nullable=True),
        sa.Column("phase", sa.String(length=16), nullable=False),
        sa.Column("owner_kind", sa.String(length=63), nullable=True),
        sa.Column("owner_name", sa.String(length=253), nullable=True),
        sa.Column("cpu_requested_milli", sa.Integer(), nullable=False),
        sa.Column("cpu_limit_milli", sa.Integer(), nullable=True),
        sa.Column("cpu_used_milli", sa.Integer(), nullable=True),
        sa.Column("cpu_peak_milli", sa.Integer(), nullable=True),
        sa.Column("memory_requested_mib", sa.Integer(), nullable=False),
        sa.Column("memory_limit_mib", sa.Integer(), nullable=True),
        sa.Column("memory_used_mib", sa.Integer(), nullable=True),
        sa.Column("memory_peak_mib", sa.Integer(), nullable=True),
        sa.Column("gpu_requested", sa.Integer(), nullable=False),
        sa.Column(
            "verdict",
            sa.Enum(
                "UNKNOWN",
                "NO_REQUEST",
                "UNDER_REQUESTED",
                "OVER_REQUESTED",
                "FITTING",
                name="verdict",
                native_enum=False,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("cpu_waste_milli", sa.Integer(), nullable=True),
        sa.Column("memory_waste_mib", sa.Integer(), nullable=True),
        sa.Column("measured_since", types.UtcDateTime(), nullable=True),
        _cluster("resource_pods"),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_resource_pods")),
        sa.UniqueConstraint(
            "cluster_name",
            "namespace",
            "pod_name",
            name=op.f("uq_resource_pods_cluster_name_namespace_pod_name"),
        ),
    )


def downgrade() -> None:
    """Undo."""
    op.drop_table("resource_pods")
    op.drop_table("resource_nodes")
    op.drop_table("resource_snapshots")
