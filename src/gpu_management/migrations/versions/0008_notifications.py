"""Notifications and webhooks.

Revision 0008, after 0007.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import oracle

from gpu_management.core import database as types

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def _flag() -> sa.types.TypeEngine:
    return sa.Boolean().with_variant(oracle.NUMBER(precision=1, scale=0, asdecimal=False), "oracle")


def _row_id() -> sa.types.TypeEngine:
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "notification_channels",
        sa.Column("id", _row_id(), nullable=False),
        sa.Column("name", sa.String(length=100), nullable=False),
        sa.Column(
            "kind",
            sa.Enum(
                "slack",
                "teams",
                "pagerduty",
                "mail",
                "webhook",
                name="channelkind",
                native_enum=False,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column(
            "origin",
            sa.Enum("api", "settings", name="origin", native_enum=False, length=24),
            nullable=False,
        ),
        sa.Column("enabled", _flag(), nullable=False),
        sa.Column("route", types.JsonText(), nullable=False),
        sa.Column("options", types.JsonText(), nullable=False),
        sa.Column("secrets", types.JsonText(), nullable=False),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.Column("failing_since", types.UtcDateTime(), nullable=True),
        sa.Column("last_sent_at", types.UtcDateTime(), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=120), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification_channels")),
        sa.UniqueConstraint("name", name=op.f("uq_notification_channels_name")),
    )
    op.create_table(
        "notification_bookmark",
        sa.Column("id", _row_id(), autoincrement=False, nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification_bookmark")),
    )
    op.create_table(
        "notification_received",
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.Column("starts_at", types.UtcDateTime(), nullable=False),
        sa.Column("is_firing", _flag(), nullable=False),
        sa.Column("received_at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("fingerprint", name=op.f("pk_notification_received")),
    )
    with op.batch_alter_table("notification_received", schema=None) as batch_op:
        batch_op.create_index(
            batch_op.f("ix_notification_received_received_at"), ["received_at"], unique=False
        )
    _create_deliveries()


def _create_deliveries() -> None:
    op.create_table(
        "notification_deliveries",
        sa.Column("id", _row_id(), nullable=False),
        sa.Column("channel_id", _row_id(), nullable=False),
        sa.Column("event_id", sa.BigInteger(), nullable=True),
        sa.Column("kind", sa.String(length=60), nullable=False),
        sa.Column("severity", sa.String(length=24), nullable=False),
        sa.Column("subject_kind", sa.String(length=40), nullable=False),
        sa.Column("subject_id", sa.String(length=255), nullable=False),
        sa.Column("team", sa.String(length=100), nullable=True),
        sa.Column("message", types.JsonText(), nullable=False),
        sa.Column(
            "state",
            sa.Enum(
                "waiting",
                "sent",
                "digested",
                "dead",
                name="deliverystate",
                native_enum=False,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("due_at", types.UtcDateTime(), nullable=False),
        sa.Column("digest_id", sa.BigInteger(), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("tried_at", types.UtcDateTime(), nullable=True),
        sa.Column("sent_at", types.UtcDateTime(), nullable=True),
        sa.Column("error", sa.String(length=400), nullable=True),
        sa.ForeignKeyConstraint(
            ["channel_id"],
            ["notification_channels.id"],
            name=op.f("fk_notification_deliveries_channel_id"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_notification_deliveries")),
        sa.UniqueConstraint(
            "channel_id", "event_id", name=op.f("uq_notification_deliveries_channel_id_event_id")
        ),
        sqlite_autoincrement=True,
    )
    with op.batch_alter_table("notification_deliveries", schema=None) as batch_op:
        batch_op.create_index("ix_notification_deliveries_due", ["state", "due_at"], unique=False)
        batch_op.create_index(
            "ix_notification_deliveries_channel", ["channel_id", "state", "sent_at"], unique=False
        )
        batch_op.create_index("ix_notification_deliveries_created", ["created_at"], unique=False)
        batch_op.create_index("ix_notification_deliveries_subject", ["subject_id"], unique=False)


def downgrade() -> None:
    """Take back."""
    op.drop_table("notification_deliveries")
    op.drop_table("notification_received")
    op.drop_table("notification_bookmark")
    op.drop_table("notification_channels")
