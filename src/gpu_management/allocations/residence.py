"""Where pods really are, and which holds have to follow them. Pure."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

_WHOLE = 1000


@dataclass(frozen=True, slots=True, order=True)
class Spot:
    """A card, or a slice of one."""

    device_pk: int
    instance_pk: int = 0
    """0: the card itself."""

    @property
    def is_slice(self) -> bool:
        """Say whether it is a MIG slice."""
        return self.instance_pk != 0


@dataclass(frozen=True, slots=True)
class Stay:
    """A hold as the ledger has it."""

    hold_id: int
    spot: Spot
    milli: int
    is_share: bool = False


@dataclass(frozen=True, slots=True)
class Move:
    """A hold that is elsewhere than the ledger says."""

    hold_id: int
    source: Spot
    target: Spot
    milli: int

    @property
    def size_milli(self) -> int:
        """Return what it takes of its spot: a slice is taken whole."""
        return _WHOLE if self.source.is_slice else self.milli


def moves_of(stays: Sequence[Stay], told: Collection[Spot]) -> list[Move] | None:
    """Return the holds of one allocation that are elsewhere; None where `told` does not say.

    Cards are compared with cards and slices with slices: exporters tell cards of pods that have
    slices. A number that differs is no answer either: the kubelet may not know all pods yet.
    """
    moves: list[Move] = []
    for is_slice in (False, True):
        here = [stay for stay in stays if stay.spot.is_slice is is_slice]
        there = sorted(spot for spot in told if spot.is_slice is is_slice)
        if not here:
            continue
        paired = _paired(here, there)
        if paired is None:
            return None
        moves += paired
    return moves


def _paired(here: Sequence[Stay], there: Sequence[Spot]) -> list[Move] | None:
    if len(there) == 1 and all(stay.is_share for stay in here):
        there = [there[0]] * len(here)  # several shares of one card
    if len(there) != len(here):
        return None
    free = Counter(there)
    strays = []
    for stay in sorted(here, key=lambda stay: (stay.spot, stay.hold_id)):
        if free[stay.spot]:
            free[stay.spot] -= 1
        else:
            strays.append(stay)
    left = sorted(free.elements())
    return [
        Move(stay.hold_id, stay.spot, spot, stay.milli)
        for stay, spot in zip(strays, left, strict=True)
    ]


def possible(
    groups: Sequence[Sequence[Move]], held_milli: Mapping[Spot, int]
) -> list[Sequence[Move]]:
    """Return the groups that can move together: no spot may be held beyond itself.

    `held_milli` is what is held of each target now. A group moves as a whole or not at all; two
    that changed places move together.
    """
    kept = list(groups)
    while True:
        load = Counter(held_milli)
        for move in (move for group in kept for move in group):
            load[move.source] -= move.size_milli
            load[move.target] += move.size_milli
        fitting = [group for group in kept if all(load[m.target] <= _WHOLE for m in group)]
        if len(fitting) == len(kept):
            return kept
        kept = fitting
