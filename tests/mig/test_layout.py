import itertools
import json
from importlib.resources import files

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_management.mig.geometry import (
    Geometry,
    GeometryDamaged,
    LayoutError,
    LayoutRule,
    Placement,
    load_geometries,
    parse_geometries,
    parse_profile_name,
)
from gpu_management.mig.layout import (
    Variants,
    can_add,
    check_layout,
    closed_profiles,
    free_starts,
    held_milli,
    legal_layouts,
    occupied_units,
    smallest_profile_for,
)

GEOMETRIES = load_geometries()
H100 = GEOMETRIES["h100-sxm5-80gb"]
A100_40 = GEOMETRIES["a100-sxm4-40gb"]
B200 = GEOMETRIES["b200-180gb"]
RTX = GEOMETRIES["rtx-pro-6000-server"]
DOCUMENT = json.loads(files("gpu_management.mig").joinpath("data/geometries.json").read_text())


def layout(*places: tuple[str, int]) -> list[Placement]:
    return [Placement(*place) for place in places]


def refusal(geometry: Geometry, *places: tuple[str, int]) -> LayoutError:
    with pytest.raises(LayoutError) as caught:
        check_layout(geometry, layout(*places))
    return caught.value


def counts(geometry: Geometry, variants: Variants) -> tuple[int, int]:
    found = legal_layouts(geometry, variants=variants)
    assert len(set(found)) == len(found)
    return len(found), len({tuple(sorted(place.profile for place in each)) for each in found})


@pytest.mark.parametrize("key", GEOMETRIES)
def test_the_maximal_layouts_are_those_of_the_published_tables(key: str) -> None:
    expected = {8: [(19, 14), (78, 38), (239, 64)], 4: [(5, 4), (5, 4), (17, 8)],
                12: [(5, 4), (5, 4), (302, 64)]}[GEOMETRIES[key].placement_units]  # fmt: skip
    assert [counts(GEOMETRIES[key], variants) for variants in Variants] == expected


@pytest.mark.parametrize("key", GEOMETRIES)
def test_a_profile_holds_whole_thousandths_of_its_board(key: str) -> None:
    geometry = GEOMETRIES[key]
    for profile in geometry.profiles:
        milli = held_milli(geometry, profile.name)
        assert milli * geometry.placement_units == profile.size * 1000


@pytest.mark.parametrize("key", GEOMETRIES)
def test_the_most_disjoint_placements_of_a_profile_are_its_instance_limit(key: str) -> None:
    geometry = GEOMETRIES[key]
    for profile in geometry.profiles:
        standing: list[Placement] = []
        for start in sorted(profile.starts):
            if can_add(geometry, standing, Placement(profile.name, start)):
                standing.append(Placement(profile.name, start))
        assert len(standing) == profile.max_instances


@st.composite
def random_placements(draw: st.DrawFn) -> tuple[Geometry, list[Placement]]:
    geometry = GEOMETRIES[draw(st.sampled_from(sorted(GEOMETRIES)))]
    every = [Placement(kind.name, s) for kind in geometry.profiles for s in kind.starts]
    return geometry, draw(st.lists(st.sampled_from(every), max_size=8))


@given(random_placements())
def test_what_is_added_step_by_step_never_overlaps_and_keeps_every_budget(
    drawn: tuple[Geometry, list[Placement]],
) -> None:
    geometry, wanted = drawn
    standing: list[Placement] = []
    for place in wanted:
        if can_add(geometry, standing, place):
            assert place.start in free_starts(geometry, standing, place.profile)
            assert place.profile not in closed_profiles(geometry, standing)
            standing.append(place)
    check_layout(geometry, standing)
    kinds = [geometry.profile(place.profile) for place in standing]
    assert occupied_units(geometry, standing).bit_count() == sum(kind.size for kind in kinds)
    assert sum(kind.media_extension for kind in kinds) <= 1
    assert sum(held_milli(geometry, kind.name) for kind in kinds) <= 1000
    assert all(kinds.count(kind) <= kind.max_instances for kind in kinds)
    for engine, budget in (geometry.engine_budget or {}).items():
        assert sum(getattr(kind.engines, engine) for kind in kinds) <= budget


@given(random_placements())
def test_legality_does_not_depend_on_the_order(
    drawn: tuple[Geometry, list[Placement]],
) -> None:
    geometry, places = drawn
    verdicts = set()
    for order in itertools.islice(itertools.permutations(places), 12):
        try:
            check_layout(geometry, order)
            verdicts.add(True)
        except LayoutError:
            verdicts.add(False)
    assert len(verdicts) == 1


@given(random_placements())
def test_room_and_limits_together_say_where_a_profile_may_go(
    drawn: tuple[Geometry, list[Placement]],
) -> None:
    geometry, wanted = drawn
    standing: list[Placement] = []
    for place in wanted:
        if can_add(geometry, standing, place):
            standing.append(place)
    taken, closed = occupied_units(geometry, standing), closed_profiles(geometry, standing)
    for kind in geometry.profiles:
        open_starts = [s for s in kind.starts if not kind.bits(s) & taken]
        expected = () if kind.name in closed else tuple(open_starts)
        assert free_starts(geometry, standing, kind.name) == expected


def test_an_overlap_is_refused_with_both_instances() -> None:
    error = refusal(H100, ("3g.40gb", 0), ("1g.10gb", 3))
    assert error.rule is LayoutRule.OVERLAP
    assert str(error) == "1g.10gb at 3 (unit 3) overlaps 3g.40gb at 0 (units 0 to 3)"


def test_a_wrong_start_is_refused_with_the_legal_ones() -> None:
    error = refusal(RTX, ("1g.24gb", 1))
    assert error.rule is LayoutRule.ILLEGAL_START
    assert "legal starts are 0, 3, 6, 9" in str(error)


def test_only_one_media_instance_is_allowed_with_and_without_an_engine_budget() -> None:
    assert refusal(H100, ("1g.10gb+me", 0), ("1g.10gb+me", 1)).rule is LayoutRule.MAX_INSTANCES
    assert refusal(RTX, ("1g.24gb+me", 0), ("1g.24gb+me.all", 3)).rule is LayoutRule.ENGINES
    twice = refusal(B200, ("1g.23gb+me", 0), ("1g.23gb+me", 1))
    assert twice.rule is LayoutRule.MAX_INSTANCES


def test_an_engine_refusal_says_which_engine_is_short() -> None:
    error = refusal(RTX, ("2g.48gb+me.all", 0), ("1g.24gb", 6))
    assert error.rule is LayoutRule.ENGINES
    assert "needs 1 decoder engines; 4 of the 4" in str(error)
    check_layout(RTX, layout(("2g.48gb+me.all", 0), ("1g.24gb-me", 6)))


def test_a_profile_of_another_board_is_refused_with_its_owner_and_the_nearest() -> None:
    error = refusal(H100, ("3g.20gb", 0))
    assert error.rule is LayoutRule.UNKNOWN_PROFILE
    assert (
        "profile of a100-sxm4-40gb, not of h100-sxm5-80gb; the nearest there is '3g.40gb'"
        in str(error)
    )


@pytest.mark.parametrize(
    ("typed", "nearest"), [("1g.9gb", "1g.10gb"), ("7g.79gb", "7g.80gb"), ("3g-40", "3g.40gb")]
)
def test_an_unknown_profile_is_refused_with_the_nearest_name(typed: str, nearest: str) -> None:
    error = refusal(H100, (typed, 0))
    assert error.rule is LayoutRule.UNKNOWN_PROFILE
    assert str(error).endswith(f"'{nearest}'")


def test_old_driver_names_and_kubernetes_resources_are_understood() -> None:
    a100 = GEOMETRIES["a100-sxm4-80gb"]
    assert a100.profile("7g.79gb").name == "7g.80gb"
    assert a100.profile("nvidia.com/mig-1g.10gb.me").name == "1g.10gb+me"


@pytest.mark.parametrize(
    ("name", "parts"),
    [("1g.10gb", (1, 10, "")), ("1g.10gb+me", (1, 10, "+me")), ("2g.48gb-me", (2, 48, "-me")),
     ("1g.24gb+me.all", (1, 24, "+me.all")), ("7g.141gb", (7, 141, ""))],
)  # fmt: skip
def test_a_profile_name_is_taken_apart(name: str, parts: tuple[int, int, str]) -> None:
    assert parse_profile_name(name) == parts


@pytest.mark.parametrize("name", ["", "1g", "g.10gb", "1g.10gb+", "1g.10GB", " 1g.10gb", "10gb"])
def test_what_is_no_profile_name_is_refused(name: str) -> None:
    with pytest.raises(LayoutError, match="no MIG profile name"):
        parse_profile_name(name)


@pytest.mark.parametrize(
    ("key", "memory_gb", "first"),
    [("h100-sxm5-80gb", 10, "1g.10gb"), ("h100-sxm5-80gb", 11, "1g.20gb"),
     ("h100-sxm5-80gb", 40, "3g.40gb"), ("h100-sxm5-80gb", 41, "7g.80gb"),
     ("a100-sxm4-40gb", 10, "1g.10gb"), ("rtx-pro-6000-server", 24, "1g.24gb"),
     ("a30", 7, "2g.12gb")],
)  # fmt: skip
def test_the_smallest_sufficient_profile_comes_first(key: str, memory_gb: int, first: str) -> None:
    found = smallest_profile_for(GEOMETRIES[key], memory_gb)
    assert found[0].name == first
    assert all(profile.memory_gb >= memory_gb for profile in found)


def test_plain_profiles_come_before_variants_and_nothing_is_enough_for_too_much() -> None:
    names = [profile.name for profile in smallest_profile_for(A100_40, 5)]
    assert names[:4] == ["1g.5gb", "1g.5gb+me", "1g.10gb", "2g.10gb"]
    assert smallest_profile_for(A100_40, 41) == ()


def test_damaged_geometries_are_refused_loudly() -> None:
    a30 = DOCUMENT["geometries"]["a30"]
    first = a30["profiles"][0]
    broken: list[dict[str, object]] = [
        {"profile_aliases": {"9g.99gb": "none"}},
        {"profiles": [*a30["profiles"], first]},
        {"profiles": [{**first, "starts": [4]}]},
        {"profiles": [{**first, "name": "1g"}]},
        {"engine_budget": {"warp": 1}},
        {"placement_units": "4"},
        {"models": ["h100-sxm5-80gb"]},
    ]
    for changes in broken:
        geometries = {**DOCUMENT["geometries"], "a30": {**a30, **changes}}
        with pytest.raises(GeometryDamaged):
            parse_geometries(json.dumps({**DOCUMENT, "geometries": geometries}))
    with pytest.raises(GeometryDamaged, match="version 2"):
        parse_geometries(json.dumps({**DOCUMENT, "schema_version": 2}))
