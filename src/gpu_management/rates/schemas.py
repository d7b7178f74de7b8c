"""Wire shapes of the price book."""

from decimal import Decimal
from typing import Annotated, Self

from pydantic import ConfigDict, Field, model_validator

from gpu_management.core.wire import (
    Amount,
    Instant,
    Moment,
    Plain,
    Sentence,
    WireInt,
    WireModel,
    WireRequest,
)
from gpu_management.rates.models import ANYWHERE, SHARE, WHOLE_CARD, RateKind, RateState
from gpu_management.rates.pricing import OwnedGpu
from gpu_management.rates.service import Price


class RateCreate(WireRequest):
    """A price per hour from a moment on."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"modelId": "h100-sxm5-80gb", "costPerHour": 2.95}]}
    )

    model_id: str = Field(max_length=63)
    kind: RateKind | None = Field(
        default=None,
        description="What is priced: the card, a MIG profile, or shares of a card (per hour of the"
        " whole card). Without it: the profile where one is named, else the card.",
    )
    profile_name: str | None = Field(
        default=None, max_length=24, description="A MIG profile; without it, the whole card."
    )
    cluster_name: Plain | None = Field(
        default=None, min_length=1, max_length=63, description="Only there; without it, anywhere."
    )
    node_pool: Plain | None = Field(
        default=None, min_length=1, max_length=120, description="Only there; without it, anywhere."
    )
    cost_per_hour: Decimal = Field(ge=0, max_digits=12, decimal_places=6)
    effective_from: Instant | None = Field(
        default=None, description="From when on; not in the past. Without it, from now."
    )
    note: Sentence | None = Field(default=None, max_length=400)
    based_on: WireInt | None = Field(
        default=None,
        ge=0,
        description="Id of the newest rate of the same subject that you saw, 0 for none: where"
        " somebody was faster, the answer is 409 RATE_CHANGED. Without it nothing is compared.",
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if self.kind is RateKind.PROFILE and self.profile_name is None:
            raise ValueError("kind profile needs a profileName")
        if self.kind not in {None, RateKind.PROFILE} and self.profile_name is not None:
            raise ValueError(f"kind {self.kind} takes no profileName")
        return self

    def price(self, at_most: int) -> Price:
        """Return what is to be set, as the service takes it."""
        word = SHARE if self.kind is RateKind.SHARE else WHOLE_CARD
        return Price(
            self.model_id,
            self.cost_per_hour,
            profile_name=self.profile_name or word,
            effective_from=self.effective_from,
            note=self.note,
            cluster_name=self.cluster_name or ANYWHERE,
            node_pool=self.node_pool or ANYWHERE,
            based_on=self.based_on,
            at_most=Decimal(at_most),
        )


class Rate(WireModel):
    """A row of the price book."""

    id: int
    model_id: str
    kind: RateKind
    profile_name: str | None
    cluster_name: str | None = Field(description="null: every cluster.")
    node_pool: str | None = Field(description="null: every node pool, and nodes in none.")
    cost_per_hour: Amount
    currency: str
    effective_from: Moment
    effective_until: Moment | None = Field(description="When the next rate of it begins.")
    state: RateState
    source: str
    note: str | None
    created_by: str | None
    created_at: Moment


class Quote(WireModel):
    """What a card or a part of it costs, and the rate that says so."""

    cost_per_hour: Amount | None = Field(description="null: there is no price.")
    currency: str
    at: Moment
    share_of_card: float | None = Field(
        description="Part of the card's price that a slice pays; null where it has its own."
    )
    rate: Rate | None


class Unpriced(WireModel):
    """GPUs or slices of the fleet that have no price."""

    model_id: str
    profile_name: str | None = Field(description="null: whole cards.")
    cluster_name: str
    node_pool: str | None
    count: int = Field(description="How many stand there.")
    priced_from: Moment | None = Field(description="When a planned price begins, if one does.")


Fraction1 = Annotated[Decimal, Field(ge=0, le=1, max_digits=12, decimal_places=9)]
Figure = Annotated[Decimal, Field(ge=0, le=1_000_000_000, max_digits=18, decimal_places=6)]


class OwnedCost(WireRequest):
    """What an owned GPU costs; money in the billing currency, shares as fractions of 1."""

    model_config = ConfigDict(
        json_schema_extra={
            "examples": [
                {
                    "capex": 40625,
                    "lifeYears": 3,
                    "residualShare": 0.3,
                    "powerKw": 1.275,
                    "pue": 1.3,
                    "pricePerKwh": 0.1,
                    "opexSharePerYear": 0.05,
                }
            ]
        }
    )

    capex: Figure = Field(description="Price of the GPU with its part of server and network.")
    life_years: Decimal = Field(gt=0, le=30, max_digits=6, decimal_places=3)
    power_kw: Decimal = Field(
        default=Decimal(0),
        ge=0,
        le=100,
        max_digits=9,
        decimal_places=6,
        description="Power of the node at full load, divided by its GPUs.",
    )
    price_per_kwh: Figure = Field(default=Decimal(0), description="Price of electricity.")
    pue: Decimal = Field(
        default=Decimal(1),
        ge=1,
        le=5,
        max_digits=6,
        decimal_places=3,
        description="Power of the facility per power of its machines.",
    )
    load_factor: Fraction1 = Field(default=Decimal(1), description="Average part of full power.")
    residual_share: Fraction1 = Field(
        default=Decimal(0), description="Part of capex that is got back at the end."
    )
    availability: Decimal = Field(
        default=Decimal(1),
        gt=0,
        le=1,
        max_digits=12,
        decimal_places=9,
        description="Part of the hours in which it can be sold; the expected use instead"
        " recovers idle time in the price.",
    )
    opex_share_per_year: Fraction1 = Field(
        default=Decimal(0), description="Staff, space and service a year, as a part of capex."
    )

    def gpu(self) -> OwnedGpu:
        """Return the figures as the calculator takes them."""
        told = {name: getattr(self, name) for name in OwnedCost.model_fields if name != "power_kw"}
        return OwnedGpu(**told, node_kw=self.power_kw)


class OwnedParts(WireModel):
    """What the price of an owned GPU is made of, an hour."""

    capital: Amount
    energy: Amount
    upkeep: Amount


class OwnedPrice(WireModel):
    """What an owned GPU must earn an hour; the parts add up to it."""

    cost_per_hour: Amount
    currency: str
    parts: OwnedParts
