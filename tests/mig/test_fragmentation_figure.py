"""The benchmark's closed form of a perfect repack, beside the product's solver."""

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.mig_fragmentation import fragmentation_pct, repacked
from gpu_management.mig.files import Arrival, FleetFile
from gpu_management.mig.fragmentation import fit_repacked
from gpu_management.mig.geometry import Geometry, Placement, load_geometries
from gpu_management.mig.layout import free_starts
from gpu_management.mig.replay import replay

BOARDS = {key: load_geometries()[key] for key in ("h100-sxm5-80gb", "a100-sxm4-40gb", "a30")}


def plain(geometry: Geometry) -> list[str]:
    return [kind.name for kind in geometry.profiles if kind.is_plain]


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(sorted(BOARDS)), st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5))))
def test_the_closed_form_says_what_the_solver_says(key: str, drawn: list[tuple[int, int]]) -> None:
    geometry, standing = BOARDS[key], [list[Placement]() for _ in range(3)]
    names = plain(geometry)
    for gpu, number in drawn:
        name = names[number % len(names)]
        starts = free_starts(geometry, standing[gpu], name)
        if starts:
            standing[gpu].append(Placement(name, starts[0]))
    boards = [(geometry, tuple(places)) for places in standing]
    for name in names:
        assert repacked(boards, name) == fit_repacked(boards, name), name


@pytest.mark.parametrize(("policy", "moves"), [("first-fit", 0), ("default", 2)])
def test_a_stream_is_followed_as_it_was_played(policy: str, moves: int) -> None:
    fleet = FleetFile("made-up", (BOARDS["h100-sxm5-80gb"],) * 2, 0, None)
    names = ["1g.10gb", "3g.40gb", "1g.10gb", "2g.20gb", "7g.80gb"]
    arrivals = [Arrival(n, 10.0 * n, 95.0, names[n % len(names)]) for n in range(201)]
    out = replay(fleet, arrivals, load=1.0, policy=policy, max_moves=moves)
    assert 0 <= fragmentation_pct(fleet, arrivals, out) <= 100
    assert Counter(len(move) for move in out["moves"]).keys() <= {4}


def test_an_idle_fleet_wastes_nothing() -> None:
    fleet = FleetFile("made-up", (BOARDS["a30"],), 0, None)
    arrivals = [Arrival(n, 1000.0 * n, 1.0, "4g.24gb") for n in range(101)]
    assert fragmentation_pct(fleet, arrivals, replay(fleet, arrivals, load=1.0)) == 0.0
