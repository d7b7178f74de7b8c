"""The price book: what a model or a MIG profile costs an hour, from when."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from sqlalchemy import ForeignKey, String, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from gpu_management.core.database import Base, Money, RowId, UtcDateTime

WHOLE_CARD = "*"
"""Stands for the card itself where a profile could be named."""

SHARE = "share"
"""Stands for a share of a card: an hour of the whole card, of which it pays its thousandths."""

ANYWHERE = "*"
"""Stands for every cluster, or every node pool."""


LIST_PRICE = "list-price"
"""Source of the packaged prices."""


class RateKind(StrEnum):
    """What a price is for."""

    CARD = "card"
    PROFILE = "profile"
    SHARE = "share"


class RateState(StrEnum):
    """Where a price stands on the line of time."""

    PLANNED = "planned"
    IN_FORCE = "inForce"
    PAST = "past"


class Rate(Base):
    """A price per hour that holds from `effective_from` until a later row of the same thing.

    Rows are only added, and withdrawn before their moment: a price change never rewrites the past.
    """

    __tablename__ = "gpu_rates"
    __table_args__ = (
        UniqueConstraint(
            "model_id",
            "profile_name",
            "cluster_name",
            "node_pool",
            "effective_from",
            name="uq_gpu_rates_from",
        ),
        # An id is used once, so that a book in memory notices every row that came or went.
        {"sqlite_autoincrement": True},
    )

    id: Mapped[int] = mapped_column(RowId, primary_key=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("gpu_models.model_id"))
    profile_name: Mapped[str] = mapped_column(String(24))
    cluster_name: Mapped[str] = mapped_column(String(63), default=ANYWHERE)
    node_pool: Mapped[str] = mapped_column(String(120), default=ANYWHERE)
    cost_per_hour: Mapped[Decimal] = mapped_column(Money)
    effective_from: Mapped[datetime] = mapped_column(UtcDateTime)
    source: Mapped[str] = mapped_column(String(24))
    note: Mapped[str | None] = mapped_column(String(400))
    created_by: Mapped[str | None] = mapped_column(String(120))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
