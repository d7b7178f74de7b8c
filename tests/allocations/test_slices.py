from gpu_management.allocations.placer import Place, Placer, Refused
from gpu_management.allocations.slices import largest_profile_gb, profiles_for
from gpu_management.mig.geometry import load_geometries
from gpu_management.mig.layout import check_layout
from tests.support.house import A100, CLUSTER, H100, House, ask


def placer_of(house: House) -> Placer:
    placer = Placer(CLUSTER)
    with house.database.read() as session:
        placer.refresh(session)
    return placer


def test_the_smallest_profile_that_has_the_memory_comes_first(house: House) -> None:
    house.node("n1", model=A100, layout=[])
    view = placer_of(house)._view
    assert profiles_for(view, 5)[0] == "1g.10gb"
    assert profiles_for(view, 11)[0] in {"1g.20gb", "2g.20gb"}
    assert profiles_for(view, 80)[0] == "7g.80gb"
    assert profiles_for(view, 81) == []
    assert largest_profile_gb(view) == 80


def test_without_mig_models_there_is_no_profile(house: House) -> None:
    house.node("n1")
    view = placer_of(house)._view
    assert profiles_for(view, 1) == []
    assert largest_profile_gb(view) == 0


def test_slices_of_one_request_never_overlap_and_the_view_is_left_as_it_was(house: House) -> None:
    house.node("n1", model=A100, layout=[("1g.10gb", 6)])
    placer = placer_of(house)
    before = dict(placer._view.mig._gpus)
    for count in range(1, 8):
        found = placer.place(ask(use_mig=True, required_memory_gb=10, count=count), kept_nodes=())
        assert isinstance(found, Place)
        places = [part.placement for part in found.parts]
        geometry = load_geometries()[found.parts[0].geometry or ""]
        check_layout(geometry, [place for place in places if place is not None])
        versions = [part.version for part in found.parts]
        assert versions == list(range(versions[0], versions[0] + count))
        assert dict(placer._view.mig._gpus) == before
    eight = placer.place(ask(use_mig=True, required_memory_gb=10, count=8), kept_nodes=())
    assert isinstance(eight, Refused)
    assert dict(placer._view.mig._gpus) == before


def test_preferred_models_are_tried_first_in_their_order(house: House) -> None:
    house.node("n1", model=A100, layout=[])
    house.node("n2", model=H100, layout=[])
    for model, node in ((A100, "n1"), (H100, "n2")):
        asked = ask(use_mig=True, required_memory_gb=10, model_preference=(model,))
        found = placer_of(house).place(asked, kept_nodes=())
        assert isinstance(found, Place)
        assert found.node_name == node


def test_a_node_that_is_kept_or_has_no_host_room_gives_no_slice(house: House) -> None:
    house.node("n1", model=A100, layout=[], cpu_milli=1000)
    placer = placer_of(house)
    asked = ask(use_mig=True, required_memory_gb=10)
    assert isinstance(placer.place(asked, kept_nodes={"n1"}), Refused)
    big = ask(use_mig=True, required_memory_gb=10, cpu_milli=1001)
    assert isinstance(placer.place(big, kept_nodes=()), Refused)
    assert isinstance(placer.place(asked, kept_nodes=()), Place)
