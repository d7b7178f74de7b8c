"""Where a request goes: the placement engines' answers, in terms of devices and nodes."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from threading import RLock
from typing import Any

from sqlalchemy.orm import Session

from gpu_management.allocations import placement
from gpu_management.allocations.demand import Demand
from gpu_management.allocations.models import HoldKind
from gpu_management.allocations.request import Ask
from gpu_management.allocations.slices import Slice, SlicePlanner, largest_profile_gb
from gpu_management.allocations.view import (
    Known,
    KnownNode,
    News,
    View,
    eligible_cards,
    eligible_nodes,
)
from gpu_management.core.trips import Answer
from gpu_management.mig import placement as mig_placement
from gpu_management.mig.geometry import Placement
from gpu_management.mig.service import name_of
from gpu_management.rates.book import Book, Priced
from gpu_management.rates.service import BookKeeper


@dataclass(frozen=True, slots=True)
class Part:
    """One device of a placement, and what is taken of it.

    `version` is the device's as the decision saw it. A MIG part names the idle instance to use,
    or the placement to carve after the idle instances in `destroyed` are removed.
    """

    device_pk: int
    device_id: str
    version: int
    model_id: str
    milli: int
    kind: HoldKind
    geometry: str | None = None
    profile: str | None = None
    start: int | None = None
    instance_pk: int | None = None
    destroyed: tuple[int, ...] = ()

    @property
    def placement(self) -> Placement | None:
        """Return where the slice lies, for a MIG part."""
        if self.profile is None or self.start is None:
            return None
        return Placement(self.profile, self.start)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request goes, and why."""

    node_pk: int
    node_name: str
    parts: tuple[Part, ...]
    decision: dict[str, Any]
    summary: str
    node_pool: str | None = None

    @property
    def names(self) -> list[str]:
        """Return the public ids of what would be held."""
        return [
            name_of(part.device_id, part.profile, part.start)
            if part.profile is not None and part.start is not None
            else part.device_id
            for part in self.parts
        ]


@dataclass(frozen=True, slots=True)
class Refused:
    """Why nothing fits. `never`: not even an empty fleet could; `no_mig`: for want of a profile."""

    detail: str
    facts: Mapping[str, Any]
    never: bool = False
    no_mig: bool = False


class Placer:
    """Answers where a request goes; one per process, shared by its threads."""

    def __init__(self, cluster_name: str, *, keeper: BookKeeper | None = None) -> None:
        """Start empty; the first `refresh` reads the fleet."""
        self.cluster_name = cluster_name
        self._keeper = keeper or BookKeeper()
        self._view = View(cluster_name, Book([]))
        self._demand = Demand()
        self._slices = SlicePlanner()
        self._lock = RLock()

    @property
    def keeper(self) -> BookKeeper:
        """Return what keeps the prices of this process."""
        return self._keeper

    @property
    def book(self) -> Book:
        """Return the price book as of the last refresh."""
        return self._view.book

    def forget(self) -> None:
        """Throw the view away: the next refresh reads everything. For rolled-back writes."""
        with self._lock:
            self._view = View(self.cluster_name, self._view.book)

    def refresh(self, session: Session) -> None:
        """Read what changed since the last time; new prices change every device's row."""
        with self._lock:
            book = self._keeper.book(session)
            if book is not self._view.book:
                self._view = View(self.cluster_name, book)
            self._view.refresh(session)

    def ask_news(self, session: Session) -> News:
        """Ask, in the open trip, which nodes and devices changed; `follow` the answer after it."""
        return self._view.ask(session)

    def follow(self, session: Session, news: News) -> None:
        """Take in which nodes and devices changed, at the prices known already."""
        with self._lock:
            if news.view is self._view:
                self._view.learn(session, news)
            else:  # it was thrown away meanwhile: what is new to the old one is not all
                self._view.refresh(session)

    def ask_book(self, session: Session) -> Answer:
        """Ask, in the open trip, whether there are new prices; `refresh_book` takes the answer."""
        return self._keeper.ask(session)

    def refresh_book(self, session: Session, asked: Answer | None = None) -> None:
        """Read new prices, if there are any; the fleet is read when it is followed."""
        with self._lock:
            book = self._keeper.book(session, asked)
            if book is not self._view.book:
                self._view = View(self.cluster_name, book)

    def place(self, ask: Ask, *, kept_nodes: Collection[str]) -> Place | Refused:
        """Return where `ask` goes, or why nowhere; `kept_nodes` are kept for those before it."""
        with self._lock:
            if ask.use_mig:
                return self._place_slices(ask, kept_nodes)
            return self._place_cards(ask, kept_nodes)

    def nodes_for(self, ask: Ask) -> list[tuple[str, int]]:
        """Return the nodes that could ever serve `ask`, with their free milli, by rank."""
        with self._lock:
            return eligible_nodes(self._view, ask)

    def cards_for(self, ask: Ask) -> list[Known]:
        """Return the devices that could ever serve `ask`, whoever holds them now."""
        with self._lock:
            return eligible_cards(self._view, ask)

    def cost_per_hour(self, place: Place, *, now: datetime) -> Decimal | None:
        """Return what a placement costs an hour, or None where a part has no price."""
        total = Decimal(0)
        for part in place.parts:
            where = (self.cluster_name, place.node_pool)
            priced = Priced(part.model_id, part.geometry, part.profile, part.milli, *where)
            cost = self._view.book.per_hour(priced, now)
            if cost is None:
                return None
            total += cost
        return total

    def _place_cards(self, ask: Ask, kept_nodes: Collection[str]) -> Place | Refused:
        wanted = placement.Request(
            gpus=ask.count,
            milli=ask.milli,
            cpu_milli=ask.cpu_milli,
            memory_mib=ask.memory_mib,
            min_memory_gb=ask.required_memory_gb,
            models=frozenset(ask.model_ids) or None,
            preferred_models=ask.model_preference,
            node_selector=dict(ask.node_selector),
            excluded_nodes=frozenset(kept_nodes),
        )
        found = placement.decide(self._view.fleet, wanted, self._demand)
        if isinstance(found, placement.Refusal):
            return self._refused_cards(ask, found, kept_nodes)
        self._demand.learn(wanted)
        kind = HoldKind.SHARE if ask.gpu_milli is not None else HoldKind.WHOLE
        parts = tuple(self._card(pk, kind, ask.milli) for pk in found.devices)
        return self._at(self._view.nodes[found.node], parts, found.explain())

    def _card(self, pk: int, kind: HoldKind, milli: int) -> Part:
        known = self._view.devices[pk]
        return Part(pk, known.device_id, known.version, known.model_id, milli, kind)

    def _refused_cards(
        self, ask: Ask, found: placement.Refusal, kept_nodes: Collection[str]
    ) -> Refused:
        largest = max((known.memory_gb for known in self._view.devices.values()), default=0)
        if self._view.devices and ask.required_memory_gb > largest:
            detail = (
                f"requiredMemoryGb {ask.required_memory_gb} is more than any GPU of the fleet has;"
                f" the largest has {largest} GB"
            )
            return Refused(detail, {"largestMemoryGb": largest}, never=True)
        return Refused(*_with_kept(found.sentence, found.explain(), kept_nodes))

    def _place_slices(self, ask: Ask, kept_nodes: Collection[str]) -> Place | Refused:
        found = self._slices.plan(self._view, ask, kept_nodes)
        if found is None:
            largest = largest_profile_gb(self._view)
            detail = f"no MIG profile of the fleet has {ask.required_memory_gb} GB; " + (
                f"the largest has {largest} GB" if largest else "no model of it has MIG"
            )
            return Refused(detail, {"largestProfileGb": largest or None}, never=True, no_mig=True)
        if isinstance(found, mig_placement.Refusal):
            facts = {
                "profiles": list(found.profiles),
                "refusals": [
                    {"reason": lack.value, "devices": count} for lack, count in found.lacks.items()
                ],
                "largestFreeProfile": found.largest_free,
            }
            return Refused(*_with_kept(found.sentence, facts, kept_nodes))
        parts = tuple(self._part_of(piece) for piece in found)
        node = self._view.nodes[self._view.devices[parts[0].device_pk].node_name]
        return self._at(node, parts, {"slices": [_why(piece) for piece in found]})

    def _part_of(self, piece: Slice) -> Part:
        choice = piece.choice
        known = self._view.devices[choice.gpu]
        return Part(
            device_pk=choice.gpu,
            device_id=known.device_id,
            version=piece.version,
            model_id=known.model_id,
            milli=piece.milli,
            kind=HoldKind.MIG,
            geometry=piece.geometry,
            profile=choice.profile,
            start=choice.start,
            instance_pk=choice.instance_id,
            destroyed=choice.destroyed,
        )

    def _at(self, node: KnownNode, parts: tuple[Part, ...], why: Mapping[str, Any]) -> Place:
        decision = {"policy": "ours", "node": node.name, **why}
        summary = _summary(parts, node.name)
        return Place(node.pk, node.name, parts, decision, summary, node.node_pool)


def _with_kept(
    sentence: str, facts: Mapping[str, Any], kept_nodes: Collection[str]
) -> tuple[str, Mapping[str, Any]]:
    if not kept_nodes:
        return sentence, facts
    detail = f"{sentence}; {len(kept_nodes)} node(s) are kept for requests that wait"
    return detail, {**facts, "keptNodes": sorted(kept_nodes)[:20]}


def _why(piece: Slice) -> dict[str, Any]:
    choice = piece.choice
    return {
        "profile": choice.profile,
        "start": choice.start,
        "source": choice.source.name,
        "score": round(choice.score, 6),
        "parts": {name: round(value, 6) for name, value in choice.parts.items()},
        "candidates": choice.candidates,
        "refused": {lack.value: count for lack, count in choice.lacks.items()},
    }


def _summary(parts: Sequence[Part], node_name: str) -> str:
    first = parts[0]
    if first.kind is HoldKind.MIG:
        what = ", ".join(f"{part.profile} of {part.device_id}" for part in parts)
    elif first.kind is HoldKind.SHARE:
        what = f"{first.milli} of 1000 milli of {first.device_id}"
    else:
        what = ", ".join(part.device_id for part in parts)
    return f"placed on {node_name}: {what}"
