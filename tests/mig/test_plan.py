import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from gpu_management.mig.cluster_layout import Gpu, Item, Situation
from gpu_management.mig.geometry import Placement, load_geometries
from gpu_management.mig.greedy import greedy_plan
from gpu_management.mig.layout import can_add
from gpu_management.mig.plan_steps import Op, as_document, unserved, value_of
from gpu_management.mig.planner import plan
from gpu_management.mig.repack_model import binding_limits
from tests.support.cli import gpuctl
from tests.support.mig_instances import data_file
from tests.support.mig_plan_rules import Broken, best_by_search, judge_plan

GEOMETRIES = load_geometries()
H100, A30, RTX = "h100-sxm5-80gb", "a30", "rtx-pro-6000-server"
SMALL = ("plan-8-mixed-1", "plan-8-inference-2", "plan-8-training-3", "plan-8-openb-4")
MIDDLE = ("plan-64-mixed-1", "plan-64-inference-2", "plan-64-training-3", "plan-64-halves-4")
LARGE = ("plan-512-mixed-1", "plan-512-inference-2")


def situation_of(state: dict[str, Any], demand: dict[str, int]) -> Situation:
    return Situation([_gpu(gpu) for gpu in state["gpus"]], demand)


def _gpu(gpu: dict[str, Any]) -> Gpu:
    items = [
        Item(
            i["id"],
            i["profile"],
            i["start"],
            running=i["state"] == "running",
            movable=i.get("movable", False),
            move_cost=i.get("move_cost", 0),
            move_s=i.get("move_s", 0),
        )
        for i in gpu["instances"]
    ]
    return Gpu(gpu["id"], gpu["node"], GEOMETRIES[gpu["geometry"]], tuple(items))


@st.composite
def cases(
    draw: st.DrawFn,
    *,
    keys: tuple[str, ...] = tuple(sorted(GEOMETRIES)),
    gpus: int = 4,
    most: int = 8,
) -> tuple[dict[str, Any], dict[str, int]]:
    chosen = draw(st.lists(st.sampled_from(keys), min_size=1, max_size=gpus))
    boards, number = [], 0
    for index, key in enumerate(chosen):
        geometry = GEOMETRIES[key]
        every = [Placement(kind.name, s) for kind in geometry.profiles for s in kind.starts]
        standing: list[Placement] = []
        for place in draw(st.lists(st.sampled_from(every), max_size=most)):
            if can_add(geometry, standing, place):
                standing.append(place)
        instances = []
        for place in standing:
            kind = draw(st.sampled_from(["fixed", "movable", "movable", "free"]))
            told = {"id": f"i{number}", "profile": place.profile, "start": place.start}
            told["state"] = "free" if kind == "free" else "running"
            told["movable"] = kind == "movable"
            told["move_cost"] = draw(st.integers(0, 3))
            told["move_s"] = draw(st.sampled_from([60, 120, 300]))
            instances.append(told)
            number += 1
        boards.append({"id": f"g{index}", "node": "n", "geometry": key, "instances": instances})
    names = sorted({p.name for key in chosen for p in GEOMETRIES[key].profiles})
    demand = draw(st.dictionaries(st.sampled_from(names), st.integers(0, 3), max_size=3))
    return {"version": 1, "gpus": boards}, demand


@settings(max_examples=120, deadline=None)
@given(cases())
def test_every_plan_is_legal_at_every_step_and_its_bound_is_honest(
    case: tuple[dict[str, Any], dict[str, int]],
) -> None:
    state, demand = case
    found = plan(situation_of(state, demand), limit_s=20)
    value, makespan_s = judge_plan(state, demand, json.loads(json.dumps(found.as_document())))
    assert found.value.as_tuple()[:4] == value
    assert found.value.makespan_s == makespan_s


@settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
@given(cases(keys=(A30, RTX), gpus=2, most=2))
def test_no_plan_at_all_beats_one_that_is_called_optimal(
    case: tuple[dict[str, Any], dict[str, int]],
) -> None:
    state, demand = case
    found = plan(situation_of(state, demand), limit_s=20)
    best = best_by_search(state, demand)
    assume(best is not None)
    assert best is not None
    value = found.value.as_tuple()[:4]
    bound = found.bound
    assert (bound.unserved_slices, 0, bound.move_cost, bound.gpus_touched) <= best
    assert value >= best if not found.value.restarts else value[0] >= best[0]
    if found.optimal:
        assert value == best


@settings(max_examples=60, deadline=None)
@given(cases(), st.booleans())
def test_the_plan_without_a_solver_is_legal_too(
    case: tuple[dict[str, Any], dict[str, int]], few_moves: bool
) -> None:
    state, demand = case
    situation = situation_of(state, demand)
    steps = greedy_plan(situation, few_moves=few_moves)
    out = {
        "steps": [as_document(situation, step) for step in steps],
        "unserved": unserved(situation, steps),
        "bound": {"unserved_slices": 0, "restarts": 0, "move_cost": 0, "gpus_touched": 0},
        "optimal": False,
    }
    value, makespan_s = judge_plan(state, demand, out)
    assert value_of(situation, steps).as_tuple() == (*value, makespan_s)


def check(name: str, *, limit_s: float) -> None:
    state = json.loads(data_file(f"{name}.state.json").read_bytes())
    demand = json.loads(data_file(f"{name}.demand.json").read_bytes())["demand"]
    recorded = json.loads(data_file("plan-optima.json").read_bytes())[name]
    found = plan(situation_of(state, demand), limit_s=limit_s)
    value, makespan_s = judge_plan(state, demand, found.as_document())
    assert value == tuple(recorded["optimum"].values())
    assert found.optimal
    assert makespan_s <= recorded["milp-any"][4]


@pytest.mark.parametrize("name", SMALL + MIDDLE)
def test_a_published_case_is_solved_to_its_recorded_optimum(name: str) -> None:
    check(name, limit_s=60)


@pytest.mark.integration
@pytest.mark.parametrize("name", LARGE)
def test_a_large_published_case_is_solved_to_its_recorded_optimum(name: str) -> None:
    check(name, limit_s=120)


@pytest.mark.parametrize("name", ["plan-64-training-3", *LARGE])
def test_when_time_is_short_the_plan_is_legal_and_no_worse_than_a_simple_one(name: str) -> None:
    state = json.loads(data_file(f"{name}.state.json").read_bytes())
    demand = json.loads(data_file(f"{name}.demand.json").read_bytes())["demand"]
    recorded = json.loads(data_file("plan-optima.json").read_bytes())[name]
    found = plan(situation_of(state, demand), limit_s=0.001)
    value, _ = judge_plan(state, demand, found.as_document())
    assert not found.optimal
    assert value <= tuple(recorded["greedy-evict"][:4])


def one_gpu(*instances: dict[str, Any], geometry: str = A30, name: str = "g0") -> dict[str, Any]:
    return {"id": name, "node": "n", "geometry": geometry, "instances": list(instances)}


def running(name: str, profile: str, start: int, **more: Any) -> dict[str, Any]:
    plain = {"id": name, "profile": profile, "start": start, "state": "running", "movable": False}
    return plain | more


MOVABLE = {"movable": True, "move_cost": 1, "move_s": 60}


def test_moves_that_wait_for_one_another_are_done_in_turn() -> None:
    # The pair on g1 makes room for the one on g0, which makes room for the half that is asked for.
    gpus = [
        one_gpu(running("a", "2g.12gb", 0, **MOVABLE), running("x", "2g.12gb", 2), name="g0"),
        one_gpu(running("b", "1g.6gb", 0, **MOVABLE), running("y", "1g.6gb", 1), name="g1"),
    ]
    state = {"version": 1, "gpus": gpus}
    found = plan(situation_of(state, {"2g.12gb": 1, "1g.6gb": 0}))
    assert judge_plan(state, {"2g.12gb": 1}, found.as_document())[0] == (0, 0, 0, 1)
    found = plan(situation_of(state, {"2g.12gb": 2}))
    assert judge_plan(state, {"2g.12gb": 2}, found.as_document())[0][0] == 2


def test_a_media_instance_that_only_changes_place_on_its_gpu_is_restarted() -> None:
    # One instance with media extensions is allowed, so a copy cannot stand beside it.
    gpus = [one_gpu(running("m", "1g.6gb+me", 1, **MOVABLE), running("y", "1g.6gb", 3))]
    state = {"version": 1, "gpus": gpus}
    found = plan(situation_of(state, {"2g.12gb": 1}))
    value, _ = judge_plan(state, {"2g.12gb": 1}, found.as_document())
    assert [step.op for step in found.steps] == [Op.RESTART, Op.CREATE]
    assert value[:2] == (0, 1)
    assert not found.optimal  # the bound knows of no restart


def test_a_free_instance_serves_without_a_step_and_goes_only_where_it_must() -> None:
    free = {"id": "f", "profile": "2g.12gb", "start": 0, "state": "free", "movable": False}
    state = {"version": 1, "gpus": [one_gpu(free)]}
    assert plan(situation_of(state, {"2g.12gb": 2})).as_document()["steps"] == [
        {"op": "create", "gpu": "g0", "profile": "2g.12gb", "start": 2, "instance": "new-1"}
    ]
    whole = plan(situation_of(state, {"4g.24gb": 1}))
    assert [step.op for step in whole.steps] == [Op.DESTROY, Op.CREATE]
    assert whole.optimal


def test_demand_for_a_board_that_is_not_there_stays_unserved() -> None:
    found = plan(situation_of({"gpus": [one_gpu()]}, {"7g.80gb": 2}))
    assert (found.unserved, found.value.unserved_slices, found.optimal) == (
        {"7g.80gb": 2},
        14,
        True,
    )


@pytest.mark.parametrize("key", sorted(GEOMETRIES))
def test_places_alone_keep_all_limits_of_plain_profiles(key: str) -> None:
    plain = frozenset(p.name for p in GEOMETRIES[key].profiles if p.is_plain)
    assert binding_limits(GEOMETRIES[key], plain) == ()
    assert binding_limits(GEOMETRIES[key], frozenset(p.name for p in GEOMETRIES[key].profiles))


def test_the_judge_refuses_an_illegal_step_and_a_dishonest_bound() -> None:
    state = {"gpus": [one_gpu(running("x", "2g.12gb", 0))]}
    step = {"op": "create", "gpu": "g0", "profile": "2g.12gb", "start": 0, "instance": "n"}
    bound = {"unserved_slices": 0, "restarts": 0, "move_cost": 0, "gpus_touched": 0}
    out: dict[str, Any] = {"steps": [step], "unserved": {}, "bound": bound, "optimal": False}
    with pytest.raises(Broken, match="overlaps"):
        judge_plan(state, {"2g.12gb": 1}, out)
    out["steps"][0]["start"] = 2
    assert judge_plan(state, {"2g.12gb": 1}, out) == ((0, 0, 0.0, 1), 5.0)
    with pytest.raises(Broken, match="honest"):
        judge_plan(state, {"2g.12gb": 1}, out | {"optimal": True})


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    state = {"version": 1, "name": "one", "gpus": [one_gpu(running("x", "2g.12gb", 0))]}
    (tmp_path / "s.json").write_text(json.dumps(state))
    (tmp_path / "d.json").write_text('{"version": 1, "demand": {"2g.12gb": 2}}')
    return {"state": tmp_path / "s.json", "demand": tmp_path / "d.json"}


def run(files: dict[str, Path], *more: str) -> Any:
    paths = [f"--{name}={file}" for name, file in files.items()]
    return gpuctl(None, "mig", "plan", *paths, *more)


def test_the_command_writes_what_the_contract_says(files: dict[str, Path], tmp_path: Path) -> None:
    told = run(files, "--time-limit", "5", "--json", str(tmp_path / "out.json"))
    found = json.loads((tmp_path / "out.json").read_bytes())
    assert found.pop("solve_ms") >= 0
    step = {"op": "create", "gpu": "g0", "profile": "2g.12gb", "start": 2, "instance": "new-1"}
    bound = {"unserved_slices": 2, "restarts": 0, "move_cost": 0, "gpus_touched": 1}
    assert found == {
        "version": 1,
        "steps": [step],
        "unserved": {"2g.12gb": 1},
        "bound": bound,
        "optimal": True,
    }
    assert (told.code, "1 x 2g.12gb" in told.out) == (0, True)
    assert run(files).json["steps"] == [step]


def instance(**more: Any) -> str:
    plain = {"id": "x", "profile": "2g.12gb", "start": 0, "state": "running", "movable": False}
    return json.dumps({"version": 1, "gpus": [one_gpu(plain | more)]})


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("state", instance(profile="3g.12gb"), "gpus.0.instances.0.profile: '3g.12gb'"),
        ("state", instance(start=1), "gpus.0.instances (g0): 2g.12gb cannot start at 1"),
        ("state", instance(state="busy"), "gpus.0.instances.0.state"),
        ("state", instance(movable=True, move_s=5), "gpus.0.instances.0.move_cost: is missing"),
        ("state", instance(movable=True, move_cost=-1, move_s=5), "move_cost: input should be"),
        (
            "state",
            instance().replace('"a30"', '"a40"'),
            "gpus.0.geometry: 'a40' is no MIG geometry",
        ),
        ("state", '{"version": 1, "gpus": [{"id": "g"}]}', "gpus.0.geometry: field required"),
        ("demand", '{"version": 1, "demand": {"2g.12gb": -1}}', "demand.2g.12gb: input should be"),
        ("demand", '{"version": 1, "demand": {"2g.12gb": 1.5}}', "demand.2g.12gb: input should be"),
        ("demand", '{"version": 1, "demand": {"2g.12": 1}}', "did you mean 2g.12gb"),
        ("demand", '{"version": 3, "demand": {}}', "version: input should be 1"),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_field(
    files: dict[str, Path], tmp_path: Path, name: str, text: str, told: str
) -> None:
    files[name] = tmp_path / "bad"
    files[name].write_text(text)
    ended = run(files)
    assert (ended.code, told in ended.err, "bad: " in ended.err) == (2, True, True), ended.err


def test_overlaps_and_ids_that_are_there_twice_are_refused(
    files: dict[str, Path], tmp_path: Path
) -> None:
    two = [running("x", "2g.12gb", 0), running("x", "2g.12gb", 2)]
    files["state"].write_text(json.dumps({"version": 1, "gpus": [one_gpu(*two)]}))
    assert "instances: the id 'x' is there twice" in run(files).err
    two[1] = running("y", "1g.6gb", 1)
    files["state"].write_text(json.dumps({"version": 1, "gpus": [one_gpu(*two)]}))
    assert "overlaps" in run(files).err
    assert run(files, "--time-limit", "0").code == 2
