import time
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_management.mig.demand import (
    Demand,
    ValueTable,
    footprint_of,
    footprints,
    solve_prices,
)
from gpu_management.mig.fleet import IdleInstance, MigFleet, MigGpu
from gpu_management.mig.geometry import LayoutError, Placement, load_geometries
from gpu_management.mig.layout import Variants, can_add, check_layout, held_milli, legal_layouts
from gpu_management.mig.placement import Choice, Lack, Refusal, Source, choose

GEOMETRIES = load_geometries()
H100 = "h100-sxm5-80gb"
A100_40 = "a100-sxm4-40gb"
RTX = "rtx-pro-6000-server"
SAMPLED = (H100, A100_40, "a30", RTX, "b200-180gb")
DEMAND = Demand()


def gpu(
    key: int,
    *used: tuple[str, int],
    idle: Sequence[tuple[str, int]] = (),
    geometry: str = H100,
    carvable: bool = True,
    price_micros: int | None = None,
) -> MigGpu:
    """Build a GPU whose idle instances are numbered from 100 * key on."""
    return MigGpu(
        key=key,
        geometry=geometry,
        occupied=tuple(Placement(*place) for place in used),
        idle=tuple(IdleInstance(100 * key + n, *place) for n, place in enumerate(idle)),
        carvable=carvable,
        price_micros=price_micros,
    )


def chosen(gpus: Sequence[MigGpu], *profiles: str, may_destroy: bool = True) -> Choice:
    result = choose(MigFleet(gpus), profiles, demand=DEMAND, may_destroy=may_destroy)
    assert isinstance(result, Choice), result
    return result


def refused(gpus: Sequence[MigGpu], *profiles: str, may_destroy: bool = True) -> Refusal:
    result = choose(MigFleet(gpus), profiles, demand=DEMAND, may_destroy=may_destroy)
    assert isinstance(result, Refusal), result
    return result


@st.composite
def random_gpus(draw: st.DrawFn) -> list[MigGpu]:
    gpus = []
    for key in range(draw(st.integers(0, 4))):
        geometry = GEOMETRIES[draw(st.sampled_from(SAMPLED))]
        every = [Placement(kind.name, s) for kind in geometry.profiles for s in kind.starts]
        standing: list[Placement] = []
        for place in draw(st.lists(st.sampled_from(every), max_size=6)):
            if can_add(geometry, standing, place):
                standing.append(place)
        used = tuple(place for place in standing if draw(st.booleans()))
        free = [place for place in standing if place not in used]
        gpus.append(
            MigGpu(
                key=key,
                geometry=geometry.key,
                occupied=used,
                idle=tuple(IdleInstance(10 * key + n, *place) for n, place in enumerate(free)),
                carvable=draw(st.booleans()),
                price_micros=draw(st.sampled_from([None, 1_000_000, 3_000_000])),
            )
        )
    return gpus


NAMES = sorted({kind.name for key in SAMPLED for kind in GEOMETRIES[key].profiles})
REQUESTS = st.lists(st.sampled_from(NAMES), min_size=1, max_size=3, unique=True)


def fits(gpu: MigGpu, name: str, *, may_destroy: bool) -> bool:
    """Say by trying every start whether a GPU could serve the profile."""
    geometry = GEOMETRIES[gpu.geometry]
    kind = geometry.find(name)
    if kind is None:
        return False
    if any(idle.profile == name for idle in gpu.idle):
        return True
    idle = tuple(Placement(i.profile, i.start) for i in gpu.idle)
    standing = gpu.occupied if may_destroy else gpu.occupied + idle
    return gpu.carvable and any(
        can_add(geometry, standing, Placement(name, start)) for start in kind.starts
    )


@settings(max_examples=300, deadline=None)
@given(random_gpus(), REQUESTS, st.booleans())
def test_a_request_that_fits_is_never_refused_and_one_that_does_not_always_is(
    gpus: list[MigGpu], names: list[str], may_destroy: bool
) -> None:
    result = choose(MigFleet(gpus), names, demand=DEMAND, may_destroy=may_destroy)
    possible = [n for n in names if any(fits(g, n, may_destroy=may_destroy) for g in gpus)]
    if not possible:
        assert isinstance(result, Refusal)
        assert sum(result.lacks.values()) == len(gpus)
        assert result.sentence
        return
    assert isinstance(result, Choice)
    assert result.profile == possible[0]
    assert result.candidates + sum(result.lacks.values()) == len(gpus)


@settings(max_examples=300, deadline=None)
@given(random_gpus(), REQUESTS, st.booleans())
def test_what_is_chosen_is_legal_and_its_parts_add_up(
    gpus: list[MigGpu], names: list[str], may_destroy: bool
) -> None:
    result = choose(MigFleet(gpus), names, demand=DEMAND, may_destroy=may_destroy)
    if isinstance(result, Refusal):
        return
    gpu = gpus[result.gpu]
    assert result.score == sum(result.parts.values())
    by_id = {idle.instance_id: Placement(idle.profile, idle.start) for idle in gpu.idle}
    if result.instance_id is not None:
        assert result.source is Source.FREE_INSTANCE
        assert by_id[result.instance_id] == (result.profile, result.start)
        return
    assert gpu.carvable
    assert not result.destroyed or may_destroy
    left = [place for number, place in by_id.items() if number not in result.destroyed]
    wanted = Placement(result.profile, result.start)
    check_layout(GEOMETRIES[gpu.geometry], [*gpu.occupied, *left, wanted])
    for number in result.destroyed:  # nothing goes without need
        kept = [*gpu.occupied, *left, by_id[number]]
        assert not can_add(GEOMETRIES[gpu.geometry], kept, wanted)


@settings(max_examples=100, deadline=None)
@given(random_gpus(), REQUESTS)
def test_the_order_in_which_gpus_are_read_changes_nothing(
    gpus: list[MigGpu], names: list[str]
) -> None:
    forwards = choose(MigFleet(gpus), names, demand=DEMAND)
    backwards = MigFleet(reversed(gpus))
    for gpu in gpus:
        backwards.upsert(gpu)
    assert choose(backwards, names, demand=DEMAND) == forwards


@settings(max_examples=100, deadline=None)
@given(random_gpus(), REQUESTS, st.frozensets(st.integers(0, 4)))
def test_gpus_that_are_not_eligible_are_as_good_as_absent(
    gpus: list[MigGpu], names: list[str], eligible: frozenset[int]
) -> None:
    limited = choose(MigFleet(gpus), names, demand=DEMAND, eligible=eligible)
    alone = choose(MigFleet(g for g in gpus if g.key in eligible), names, demand=DEMAND)
    assert type(limited) is type(alone)
    if isinstance(limited, Choice) and isinstance(alone, Choice):
        assert (limited.gpu, limited.start, limited.score, limited.candidates) == (
            alone.gpu, alone.start, alone.score, alone.candidates)  # fmt: skip
    out = sum(gpu.key not in eligible for gpu in gpus)
    assert limited.lacks.get(Lack.NOT_ELIGIBLE, 0) == out


def test_a_free_instance_is_preferred_to_a_cut() -> None:
    result = chosen([gpu(1), gpu(2, ("3g.40gb", 0), idle=[("1g.10gb", 4)])], "1g.10gb")
    assert (result.gpu, result.instance_id, result.source) == (2, 200, Source.FREE_INSTANCE)


def test_empty_units_are_preferred_to_destroying_a_free_instance() -> None:
    result = chosen([gpu(1, idle=[("7g.80gb", 0)]), gpu(2)], "1g.10gb")
    assert (result.gpu, result.destroyed, result.source) == (2, (), Source.EMPTY_UNITS)


def test_free_instances_make_room_only_where_that_is_allowed() -> None:
    fleet = [gpu(1, ("1g.10gb", 6), idle=[("1g.10gb", 0), ("2g.20gb", 2), ("1g.10gb", 5)])]
    result = chosen(fleet, "4g.40gb")
    assert (result.start, result.destroyed) == (0, (100, 101))
    assert result.parts["instances_destroyed"] == pytest.approx(0.1)
    assert refused(fleet, "4g.40gb", may_destroy=False).lacks == {Lack.FREE_INSTANCES_IN_THE_WAY: 1}


def test_a_free_instance_that_only_hogs_an_engine_goes_too() -> None:
    fleet = [gpu(1, idle=[("2g.48gb+me.all", 0)], geometry=RTX)]
    result = chosen(fleet, "1g.24gb")
    assert result.start in {6, 9, 0, 3}
    assert result.destroyed == (100,)


def test_small_requests_go_where_they_spoil_least() -> None:
    result = chosen([gpu(1), gpu(2, ("3g.40gb", 0)), gpu(3, ("3g.40gb", 0), ("2g.20gb", 4))],
                    "1g.10gb")  # fmt: skip
    assert (result.gpu, result.start) == (3, 6)


def test_ties_go_to_the_start_the_driver_prefers_and_then_to_the_lowest_key() -> None:
    assert chosen([gpu(7), gpu(3), gpu(5)], "7g.80gb").gpu == 3
    assert (chosen([gpu(4), gpu(2)], "1g.10gb").gpu) == 2


def test_the_first_choice_is_served_wherever_it_fits() -> None:
    fleet = [gpu(1, idle=[("7g.80gb", 0)]), gpu(2, ("4g.40gb", 0), ("2g.20gb", 4), ("1g.10gb", 6))]
    result = chosen(fleet, "3g.40gb", "7g.80gb")
    assert (result.profile, result.destroyed) == ("3g.40gb", (100,))
    assert chosen(fleet, "3g.40gb", "7g.80gb", may_destroy=False).instance_id == 100


def test_of_equal_places_the_cheaper_board_wins_and_equal_prices_change_nothing() -> None:
    dear, cheap = gpu(1, price_micros=9_000_000), gpu(2, price_micros=3_000_000)
    assert chosen([dear, cheap], "1g.10gb").gpu == 2
    assert chosen([dear, cheap], "1g.10gb").parts["price"] == 0
    same = [gpu(1, price_micros=9_000_000), gpu(2, price_micros=9_000_000)]
    assert chosen(same, "1g.10gb").gpu == 1


def test_one_name_is_served_by_boards_where_it_has_different_footprints() -> None:
    small = chosen([gpu(1, geometry=A100_40)], "1g.10gb")
    assert held_milli(GEOMETRIES[A100_40], small.profile) == 250
    assert held_milli(GEOMETRIES[H100], chosen([gpu(1)], "1g.10gb").profile) == 125


def test_a_refusal_counts_the_gpus_by_what_they_lacked() -> None:
    gpus = [
        gpu(1, ("7g.80gb", 0)),
        gpu(2, carvable=False),
        gpu(3, geometry="a30"),
        gpu(4, ("1g.10gb+me", 0)),
        gpu(5),
    ]
    result = choose(MigFleet(gpus), ["1g.10gb+me"], demand=DEMAND, eligible={1, 2, 3, 4})
    assert isinstance(result, Refusal)
    assert result.lacks == {
        Lack.INSTANCE_LIMIT: 1,
        Lack.NO_ROOM: 1,
        Lack.NOT_CARVABLE: 1,
        Lack.WRONG_MODEL: 1,
        Lack.NOT_ELIGIBLE: 1,
    }
    assert result.largest_free == "3g.40gb"
    assert result.sentence.startswith("no GPU can serve 1g.10gb+me: 1 are at an instance or engine")


def test_a_refusal_by_an_empty_fleet_says_so() -> None:
    assert refused([], "1g.10gb").sentence.endswith("there are no MIG GPUs")


def test_an_unknown_profile_on_a_board_is_an_error_and_not_a_guess() -> None:
    with pytest.raises(LayoutError):
        MigFleet([gpu(1, ("1g.11gb", 0))])


@pytest.mark.parametrize("key", GEOMETRIES)
def test_no_layout_costs_more_than_a_board_before_prices_are_lifted(key: str) -> None:
    geometry = GEOMETRIES[key]
    prices = solve_prices(geometry, dict.fromkeys(footprints(geometry), 1.0))
    table = ValueTable(geometry, dict.fromkeys(footprints(geometry), 1.0))
    for layout in legal_layouts(geometry, variants=Variants.DOUBLE_MEMORY):
        kinds = [geometry.profile(place.profile) for place in layout]
        cost = sum(prices[footprint_of(kind)] for kind in kinds)
        assert cost <= 1 + 1e-9
    assert table.capacity(geometry.all_units) == pytest.approx(1.0)
    assert table.value(0) == 0


def test_learning_follows_what_is_asked_for_and_forgets() -> None:
    demand, geometry = Demand(), GEOMETRIES[H100]
    before = demand.table(geometry)
    for _ in range(299):
        demand.learn(["7g.80gb"])
    assert demand.table(geometry) is before
    demand.learn(["7g.80gb"])
    after = demand.table(geometry)
    assert after is not before
    whole = geometry.all_units
    assert after.loss(whole, 1) > before.loss(whole, 1)


def test_a_hint_stays_as_it_is() -> None:
    demand, geometry = Demand({"1g.10gb": 3.0, "3g.40gb": 1.0}), GEOMETRIES[H100]
    table = demand.table(geometry)
    for _ in range(1000):
        demand.learn(["7g.80gb"])
    assert demand.table(geometry) is table


def test_a_decision_in_512_gpus_is_quick() -> None:
    geometry = GEOMETRIES[H100]
    layouts = legal_layouts(geometry, variants=Variants.DOUBLE_MEMORY)
    fleet = MigFleet(
        MigGpu(key, H100, tuple(place for place in layouts[key % 78] if (key + place.start) % 5))
        for key in range(512)
    )
    names = [kind.name for kind in geometry.profiles]
    for name in names:
        choose(fleet, [name], demand=DEMAND)
    started = time.process_time()
    for turn in range(1000):
        choose(fleet, [names[turn % len(names)]], demand=DEMAND)
    # Seconds for a thousand are milliseconds for one. Generous: tests share the machine.
    assert time.process_time() - started < 1.0
