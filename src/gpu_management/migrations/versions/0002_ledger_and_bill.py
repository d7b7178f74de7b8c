"""ledger and bill.

Revision 0002, after 0001.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import oracle

from gpu_management.core import database as types

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


_VIEWS = {
    "gpu_cost_by_team_daily": """
        SELECT day, team_id, SUM(micros) AS cost_micros, SUM(milli_seconds) AS gpu_milli_seconds
        FROM gpu_cost_daily GROUP BY day, team_id
    """,
    "gpu_cost_by_namespace_daily": """
        SELECT day, namespace, SUM(micros) AS cost_micros, SUM(milli_seconds) AS gpu_milli_seconds
        FROM gpu_cost_daily GROUP BY day, namespace
    """,
    "gpu_cost_by_user_daily": """
        SELECT day, user_id, SUM(micros) AS cost_micros, SUM(milli_seconds) AS gpu_milli_seconds
        FROM gpu_cost_daily GROUP BY day, user_id
    """,
    "gpu_cluster_overview": """
        SELECT cluster_name, model_id, state, COUNT(*) AS devices,
            SUM(CASE WHEN held_milli > 0 THEN 1 ELSE 0 END) AS devices_in_use,
            SUM(held_milli) AS held_milli
        FROM gpu_devices WHERE removed_at IS NULL GROUP BY cluster_name, model_id, state
    """,
    "gpu_mig_availability": """
        SELECT d.cluster_name, d.model_id, i.profile_name, COUNT(*) AS instances,
            SUM(CASE WHEN i.held = {true} THEN 0 ELSE 1 END) AS available
        FROM mig_instances i JOIN gpu_devices d ON d.id = i.device_id
        WHERE i.destroyed_at IS NULL GROUP BY d.cluster_name, d.model_id, i.profile_name
    """,
}
"""For people who read the database with SQL; the product itself does not."""


def upgrade() -> None:
    """Apply."""
    op.create_table(
        "gpu_billing_months",
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("closed_at", types.UtcDateTime(), nullable=False),
        sa.Column("closed_by", sa.String(length=120), nullable=False),
        sa.Column("currency", sa.String(length=3), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("total", types.Money(), nullable=False),
        sa.Column("line_count", sa.Integer(), nullable=False),
        sa.Column("fingerprint", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("month", name=op.f("pk_gpu_billing_months")),
    )
    op.create_table(
        "gpu_budgets",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "scope",
            sa.Enum(
                "cluster",
                "team",
                "namespace",
                "user",
                name="budgetscope",
                native_enum=False,
                length=24,
            ),
            nullable=False,
        ),
        sa.Column("scope_name", sa.String(length=253), nullable=False),
        sa.Column(
            "unit",
            sa.Enum("money", "gpuHours", name="budgetunit", native_enum=False, length=24),
            nullable=False,
        ),
        sa.Column(
            "period",
            sa.Enum(
                "day", "week", "month", "quarter", name="budgetperiod", native_enum=False, length=24
            ),
            nullable=False,
        ),
        sa.Column("amount", types.Money(), nullable=False),
        sa.Column(
            "action",
            sa.Enum("warn", "refuse", name="budgetaction", native_enum=False, length=24),
            nullable=False,
        ),
        sa.Column("thresholds_pct", types.JsonText(), nullable=False),
        sa.Column("note", sa.String(length=400), nullable=True),
        sa.Column("created_at", types.UtcDateTime(), nullable=False),
        sa.Column("created_by", sa.String(length=120), nullable=False),
        sa.Column("edition", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gpu_budgets")),
        sa.UniqueConstraint(
            "scope",
            "scope_name",
            "unit",
            "period",
            name=op.f("uq_gpu_budgets_scope_scope_name_unit_period"),
        ),
    )
    op.create_table(
        "gpu_cost_closing",
        sa.Column(
            "id",
            sa.BigInteger().with_variant(sa.Integer(), "sqlite"),
            autoincrement=False,
            nullable=False,
        ),
        sa.Column("closed_until", types.UtcDateTime(), nullable=False),
        sa.Column("last_hold_id", sa.BigInteger(), nullable=False),
        sa.Column("timezone", sa.String(length=64), nullable=False),
        sa.Column("slice_rule", sa.String(length=40), nullable=False),
        sa.Column("revision", sa.BigInteger(), nullable=False),
        sa.Column("micros", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", types.UtcDateTime(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gpu_cost_closing")),
    )
    op.create_table(
        "gpu_cost_daily",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("cluster_name", sa.String(length=63), nullable=False),
        sa.Column("team_id", sa.String(length=120), nullable=True),
        sa.Column("user_id", sa.String(length=253), nullable=True),
        sa.Column("namespace", sa.String(length=63), nullable=True),
        sa.Column("model_id", sa.String(length=63), nullable=False),
        sa.Column("workload_type", sa.String(length=24), nullable=True),
        sa.Column("holds", sa.BigInteger(), nullable=False),
        sa.Column("milli_seconds", sa.BigInteger(), nullable=False),
        sa.Column("unpriced_milli_seconds", sa.BigInteger(), nullable=False),
        sa.Column("used_milli_seconds", sa.BigInteger(), nullable=False),
        sa.Column("idle_milli_seconds", sa.BigInteger(), nullable=False),
        sa.Column("micros", sa.BigInteger(), nullable=False),
        sa.Column("card_micros", sa.BigInteger(), nullable=False),
        sa.Column(
            "is_correction",
            sa.Boolean().with_variant(
                oracle.NUMBER(precision=1, scale=0, asdecimal=False), "oracle"
            ),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gpu_cost_daily")),
    )
    with op.batch_alter_table("gpu_cost_daily", schema=None) as batch_op:
        batch_op.create_index("ix_gpu_cost_daily_day", ["day", "team_id"], unique=False)

    op.create_table(
        "gpu_cost_totals",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("cluster_name", sa.String(length=63), nullable=False),
        sa.Column("team_id", sa.String(length=120), nullable=True),
        sa.Column("model_id", sa.String(length=63), nullable=False),
        sa.Column("milli_seconds", sa.BigInteger(), nullable=False),
        sa.Column("unpriced_milli_seconds", sa.BigInteger(), nullable=False),
        sa.Column("used_milli_seconds", sa.BigInteger(), nullable=False),
        sa.Column("idle_milli_seconds", sa.BigInteger(), nullable=False),
        sa.Column("micros", sa.BigInteger(), nullable=False),
        sa.Column("card_micros", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gpu_cost_totals")),
    )
    with op.batch_alter_table("gpu_cost_totals", schema=None) as batch_op:
        batch_op.create_index("ix_gpu_cost_totals_day", ["day", "team_id"], unique=False)

    op.create_table(
        "gpu_budget_notices",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column(
            "budget_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False
        ),
        sa.Column("period_start", sa.Date(), nullable=False),
        sa.Column("mark", sa.String(length=24), nullable=False),
        sa.Column("spent", types.Money(), nullable=False),
        sa.Column("details", types.JsonText(), nullable=False),
        sa.Column("noticed_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["budget_id"], ["gpu_budgets.id"], name=op.f("fk_gpu_budget_notices_budget_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gpu_budget_notices")),
        sa.UniqueConstraint(
            "budget_id",
            "period_start",
            "mark",
            name=op.f("uq_gpu_budget_notices_budget_id_period_start_mark"),
        ),
    )
    op.create_table(
        "gpu_statement_lines",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("month", sa.String(length=7), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column(
            "kind",
            sa.Enum("usage", "adjustment", name="linekind", native_enum=False, length=24),
            nullable=False,
        ),
        sa.Column("origin_month", sa.String(length=7), nullable=False),
        sa.Column("team_id", sa.String(length=120), nullable=True),
        sa.Column("user_id", sa.String(length=253), nullable=True),
        sa.Column("namespace", sa.String(length=63), nullable=True),
        sa.Column("model_id", sa.String(length=63), nullable=False),
        sa.Column("profile_name", sa.String(length=24), nullable=True),
        sa.Column("workload_type", sa.String(length=24), nullable=True),
        sa.Column("milli_seconds", sa.BigInteger(), nullable=False),
        sa.Column("unpriced_milli_seconds", sa.BigInteger(), nullable=False),
        sa.Column("micros", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["month"], ["gpu_billing_months.month"], name=op.f("fk_gpu_statement_lines_month")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gpu_statement_lines")),
    )
    with op.batch_alter_table("gpu_statement_lines", schema=None) as batch_op:
        batch_op.create_index("ix_gpu_statement_lines_month", ["month", "team_id"], unique=False)

    op.create_table(
        "gpu_capacity_daily",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("cluster_name", sa.String(length=63), nullable=False),
        sa.Column("node_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("model_id", sa.String(length=63), nullable=False),
        sa.Column("total_milli_seconds", sa.BigInteger(), nullable=False),
        sa.Column("held_milli_seconds", sa.BigInteger(), nullable=False),
        sa.Column("free_milli_seconds", sa.BigInteger(), nullable=False),
        sa.Column("unavailable_milli_seconds", sa.BigInteger(), nullable=False),
        sa.Column("unpriced_milli_seconds", sa.BigInteger(), nullable=False),
        sa.Column("card_micros", sa.BigInteger(), nullable=False),
        sa.Column("charged_micros", sa.BigInteger(), nullable=False),
        sa.Column("free_micros", sa.BigInteger(), nullable=False),
        sa.Column("unavailable_micros", sa.BigInteger(), nullable=False),
        sa.Column(
            "is_correction",
            sa.Boolean().with_variant(
                oracle.NUMBER(precision=1, scale=0, asdecimal=False), "oracle"
            ),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["node_id"], ["gpu_nodes.id"], name=op.f("fk_gpu_capacity_daily_node_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gpu_capacity_daily")),
    )
    with op.batch_alter_table("gpu_capacity_daily", schema=None) as batch_op:
        batch_op.create_index("ix_gpu_capacity_daily_day", ["day", "model_id"], unique=False)

    op.create_table(
        "gpu_cost_days",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("hold_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.Column("milli_seconds", sa.BigInteger(), nullable=False),
        sa.Column("unpriced_milli_seconds", sa.BigInteger(), nullable=False),
        sa.Column("used_milli_seconds", sa.BigInteger(), nullable=False),
        sa.Column("idle_milli_seconds", sa.BigInteger(), nullable=False),
        sa.Column("micros", sa.BigInteger(), nullable=False),
        sa.Column("card_micros", sa.BigInteger(), nullable=False),
        sa.Column(
            "is_correction",
            sa.Boolean().with_variant(
                oracle.NUMBER(precision=1, scale=0, asdecimal=False), "oracle"
            ),
            nullable=False,
        ),
        sa.ForeignKeyConstraint(
            ["hold_id"], ["gpu_holds.id"], name=op.f("fk_gpu_cost_days_hold_id")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_gpu_cost_days")),
    )
    with op.batch_alter_table("gpu_cost_days", schema=None) as batch_op:
        batch_op.create_index("ix_gpu_cost_days_day", ["day"], unique=False)
        batch_op.create_index("ix_gpu_cost_days_hold", ["hold_id"], unique=False)

    op.create_table(
        "gpu_hold_corrections",
        sa.Column("hold_id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("reason", sa.String(length=400), nullable=False),
        sa.Column("actor", sa.String(length=120), nullable=False),
        sa.Column("recorded_at", types.UtcDateTime(), nullable=False),
        sa.ForeignKeyConstraint(
            ["hold_id"], ["gpu_holds.id"], name=op.f("fk_gpu_hold_corrections_hold_id")
        ),
        sa.PrimaryKeyConstraint("hold_id", name=op.f("pk_gpu_hold_corrections")),
    )
    op.add_column("device_states", sa.Column("node_pool", sa.String(length=120), nullable=True))

    op.add_column("gpu_holds", sa.Column("node_pool", sa.String(length=120), nullable=True))
    op.create_index("ix_gpu_holds_corrects", "gpu_holds", ["corrects_id"], unique=True)
    op.drop_index("ix_gpu_holds_ended", "gpu_holds")
    op.create_index("ix_gpu_holds_ended", "gpu_holds", ["ended_at", "started_at"])

    op.add_column("gpu_nodes", sa.Column("node_pool", sa.String(length=120), nullable=True))

    with op.batch_alter_table(
        "gpu_rates", schema=None, table_kwargs={"sqlite_autoincrement": True}
    ) as batch_op:
        batch_op.add_column(
            sa.Column("cluster_name", sa.String(length=63), nullable=False, server_default="*")
        )
        batch_op.add_column(
            sa.Column("node_pool", sa.String(length=120), nullable=False, server_default="*")
        )
        batch_op.drop_constraint(
            batch_op.f("uq_gpu_rates_model_id_profile_name_effective_from"), type_="unique"
        )
        batch_op.create_unique_constraint(
            "uq_gpu_rates_from",
            ["model_id", "profile_name", "cluster_name", "node_pool", "effective_from"],
        )

    true = "true" if op.get_context().dialect.name == "postgresql" else "1"
    for name, query in _VIEWS.items():
        op.execute(f"CREATE VIEW {name} AS {query.format(true=true)}")


def downgrade() -> None:
    """Take back."""
    for name in _VIEWS:
        op.execute(f"DROP VIEW {name}")
    with op.batch_alter_table("gpu_rates", schema=None) as batch_op:
        batch_op.drop_constraint("uq_gpu_rates_from", type_="unique")
        batch_op.create_unique_constraint(
            batch_op.f("uq_gpu_rates_model_id_profile_name_effective_from"),
            ["model_id", "profile_name", "effective_from"],
        )
        batch_op.drop_column("node_pool")
        batch_op.drop_column("cluster_name")

    op.drop_column("gpu_nodes", "node_pool")

    op.drop_index("ix_gpu_holds_ended", "gpu_holds")
    op.create_index("ix_gpu_holds_ended", "gpu_holds", ["ended_at"])
    op.drop_index("ix_gpu_holds_corrects", "gpu_holds")
    op.drop_column("gpu_holds", "node_pool")

    op.drop_column("device_states", "node_pool")

    op.drop_table("gpu_hold_corrections")
    with op.batch_alter_table("gpu_cost_days", schema=None) as batch_op:
        batch_op.drop_index("ix_gpu_cost_days_hold")
        batch_op.drop_index("ix_gpu_cost_days_day")

    op.drop_table("gpu_cost_days")
    with op.batch_alter_table("gpu_capacity_daily", schema=None) as batch_op:
        batch_op.drop_index("ix_gpu_capacity_daily_day")

    op.drop_table("gpu_capacity_daily")
    with op.batch_alter_table("gpu_statement_lines", schema=None) as batch_op:
        batch_op.drop_index("ix_gpu_statement_lines_month")

    op.drop_table("gpu_statement_lines")
    op.drop_table("gpu_budget_notices")
    with op.batch_alter_table("gpu_cost_totals", schema=None) as batch_op:
        batch_op.drop_index("ix_gpu_cost_totals_day")

    op.drop_table("gpu_cost_totals")
    with op.batch_alter_table("gpu_cost_daily", schema=None) as batch_op:
        batch_op.drop_index("ix_gpu_cost_daily_day")

    op.drop_table("gpu_cost_daily")
    op.drop_table("gpu_cost_closing")
    op.drop_table("gpu_budgets")
    op.drop_table("gpu_billing_months")
