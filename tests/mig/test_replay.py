import gzip
import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_management.mig.files import Arrival, BadInput, FleetFile, read_arrivals, read_fleet
from gpu_management.mig.geometry import load_geometries
from gpu_management.mig.replay import replay
from gpu_management.mig.replay_policies import POLICIES
from tests.support.cli import gpuctl
from tests.support.mig_instances import data_file
from tests.support.mig_replay_rules import Broken, Figures, judge

GEOMETRIES = load_geometries()
H100, A100_40, A30, RTX = "h100-sxm5-80gb", "a100-sxm4-40gb", "a30", "rtx-pro-6000-server"


@st.composite
def streams(draw: st.DrawFn) -> tuple[dict[str, Any], list[Arrival]]:
    keys = draw(st.lists(st.sampled_from(sorted(GEOMETRIES)), min_size=1, max_size=3))
    names = sorted({p.name for key in keys for p in GEOMETRIES[key].profiles})
    gpus = [{"count": draw(st.integers(1, 2)), "geometry": key} for key in keys]
    moment, rows = 0, []
    for number in range(draw(st.integers(0, 40))):
        moment += draw(st.integers(0, 5))
        rows.append(Arrival(number, moment, draw(st.integers(1, 60)), draw(st.sampled_from(names))))
    return {"version": 1, "name": "x", "gpus": gpus, "measure_from": 0}, rows


def played(fleet: dict[str, Any], rows: list[Arrival], **options: Any) -> dict[str, Any]:
    boards = [GEOMETRIES[g["geometry"]] for g in fleet["gpus"] for _ in range(g["count"])]
    told = FleetFile("x", tuple(boards), 0, None)
    return replay(told, rows, load=options.pop("load", 1.0), **options)


def judged(fleet: dict[str, Any], rows: list[Arrival], out: Any, *, max_moves: int = 0) -> Figures:
    plain = [(row.id, row.arrival_s, row.duration_s, row.profile) for row in rows]
    return judge(fleet, plain, json.loads(json.dumps(out)), max_moves=max_moves)


@settings(max_examples=150, deadline=None)
@given(streams(), st.sampled_from(sorted(POLICIES)), st.integers(0, 3))
def test_every_answer_obeys_the_rules_on_every_geometry(
    stream: tuple[dict[str, Any], list[Arrival]], policy: str, max_moves: int
) -> None:
    out = played(*stream, policy=policy, max_moves=max_moves)
    judged(*stream, out, max_moves=max_moves)


def test_one_name_is_served_on_boards_where_it_has_another_footprint() -> None:
    fleet = {"gpus": [{"count": 1, "geometry": k} for k in (H100, A100_40)], "measure_from": 0}
    rows = [Arrival(n, n, 1000, "1g.10gb") for n in range(12)]
    out = played(fleet, rows)
    assert judged(fleet, rows, out).accepted_pct == pytest.approx(100 * 11 / 12)  # 7 and 4


def test_an_instance_ends_before_one_arrives_at_the_same_moment() -> None:
    fleet = {"gpus": [{"count": 1, "geometry": A30}], "measure_from": 0}
    rows = [Arrival(0, 0, 10, "4g.24gb"), Arrival(1, 20, 10, "4g.24gb")]
    assert len(played(fleet, rows, load=2.0)["placements"]) == 2
    assert len(played(fleet, rows, load=2.1)["placements"]) == 1


def test_an_even_instance_moves_to_make_room_and_an_odd_one_never_does() -> None:
    fleet = {"gpus": [{"count": 2, "geometry": A30}], "measure_from": 0}
    halves = [Arrival(n, n, (100, 5, 100)[n], "2g.12gb") for n in range(3)]
    rows = [*halves, Arrival(3, 10, 50, "4g.24gb")]
    out = played(fleet, rows, max_moves=1)
    assert [list(move[:2]) for move in out["moves"]] in ([[3, 0]], [[3, 2]])
    assert judged(fleet, rows, out, max_moves=1).accepted_pct == 100
    assert played(fleet, rows)["moves"] == []
    odd = [Arrival(2 * row.id + 1, row.arrival_s, row.duration_s, row.profile) for row in rows]
    assert played(fleet, odd, max_moves=1)["moves"] == []


def test_the_judge_refuses_an_overlap_and_a_needless_refusal() -> None:
    fleet = {"gpus": [{"count": 1, "geometry": A30}], "measure_from": 0}
    rows = [Arrival(0, 0, 10, "4g.24gb"), Arrival(1, 1, 10, "1g.6gb")]
    out = played(fleet, rows)
    with pytest.raises(Broken):
        judged(fleet, rows, out | {"placements": [[0, 0, 0], [1, 0, 0]]})
    with pytest.raises(Broken):
        judged(fleet, rows, out | {"placements": []})


@pytest.mark.parametrize("policy", ["default", "first-fit"])
def test_a_published_stream_is_served_as_well_as_recorded(policy: str) -> None:
    fleet_file, rows_file = (
        data_file("openb-64-1.fleet.json"),
        data_file("openb-64-1.requests.csv.gz"),
    )
    fleet = read_fleet(fleet_file)
    rows = list(read_arrivals(rows_file, fleet))
    out = replay(fleet, rows, load=1.0, policy=policy)
    found = judged(json.loads(fleet_file.read_bytes()), rows, out)
    recorded = json.loads(data_file("baselines.json").read_bytes())["openb-64-1"]
    accepted_pct, slice_hours_pct = recorded["ff-default@1.0"]
    if policy == "first-fit":
        assert found.slice_hours_pct == pytest.approx(slice_hours_pct, abs=0.001)
        assert found.accepted_pct == pytest.approx(accepted_pct, abs=0.001)
    else:
        assert found.slice_hours_pct > slice_hours_pct


@pytest.fixture
def files(tmp_path: Path) -> dict[str, Path]:
    fleet = {"version": 1, "name": "two", "gpus": [{"count": 2, "geometry": A30}]}
    (tmp_path / "f.json").write_text(json.dumps(fleet | {"measure_from": 0}))
    with gzip.open(tmp_path / "r.csv.gz", "wt") as text:
        text.write("id,arrival_s,duration_s,profile\n0,0,60,2g.12gb\n1,30,60,4g.24gb\n")
    return {"fleet": tmp_path / "f.json", "requests": tmp_path / "r.csv.gz"}


def run(files: dict[str, Path], *more: str) -> Any:
    paths = [f"--{name}={file}" for name, file in files.items()]
    return gpuctl(None, "mig", "replay", *paths, *more)


def test_the_command_writes_what_the_contract_says(files: dict[str, Path], tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    told = run(files, "--load", "0.9", "--policy", "best-fit", "--json", str(out))
    found = json.loads(out.read_bytes())
    assert (told.code, found["version"], found["load"]) == (0, 1, 0.9)
    assert found["placements"] == [[0, 0, 0], [1, 1, 0]]
    assert found["moves"] == []
    assert found["policy"] == "best-fit"
    assert set(found["decision_ms"]) == {"mean", "p99"}


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("fleet", '{"version": 2, "gpus": []}', "version"),
        ("fleet", '{"version": 1, "gpus": [{"count": 1}]}', "gpus.0.geometry"),
        ("fleet", '{"version": 1, "gpus": [{"count": -1, "geometry": "a30"}]}', "gpus.0.count"),
        ("fleet", '{"version": 1, "gpus": [{"count": 1, "geometry": "a31"}]}', "did you mean a30"),
        ("fleet", "{", "is no JSON"),
        ("requests", "id,arrival_s,profile\n", "duration_s is missing"),
        (
            "requests",
            "id,arrival_s,duration_s,profile\n0,0,1,9g.9gb\n",
            "line 2, profile: '9g.9gb'",
        ),
        ("requests", "id,arrival_s,duration_s,profile\n0,-1,1,1g.6gb\n", "line 2, arrival_s"),
        ("requests", "id,arrival_s,duration_s,profile\nx,0,1,1g.6gb\n", "line 2, id"),
        ("requests", "id,arrival_s,duration_s,profile\n0,0,nan,1g.6gb\n", "line 2, duration_s"),
        ("requests", "id,arrival_s,duration_s,profile\n0,9,1,1g.6gb\n1,8,1,1g.6gb\n", "line 3"),
        (
            "requests",
            "id,arrival_s,duration_s,profile\n0,9,1,1g.6gb\n0,9,1,1g.6gb\n",
            "is there twice",
        ),
    ],
)
def test_a_file_that_cannot_be_used_is_named_with_its_field(
    files: dict[str, Path], tmp_path: Path, name: str, text: str, told: str
) -> None:
    files[name] = tmp_path / "bad"
    files[name].write_text(text)
    ended = run(files)
    assert ended.code == 2
    assert told in ended.err
    assert "bad: " in ended.err


def test_unknown_policies_and_loads_are_refused(files: dict[str, Path]) -> None:
    assert "there are default, first-fit, best-fit" in run(files, "--policy", "x").err
    assert run(files, "--load", "0").code == 2
    files["fleet"] = Path("nowhere")
    assert "nowhere: cannot be read" in run(files).err


def test_a_fleet_without_gpus_has_no_profiles(tmp_path: Path) -> None:
    (tmp_path / "f").write_text('{"version": 1, "gpus": []}')
    (tmp_path / "r").write_text("id,arrival_s,duration_s,profile\n0,0,1,1g.6gb\n")
    with pytest.raises(BadInput, match="there are no GPUs"):
        list(read_arrivals(tmp_path / "r", read_fleet(tmp_path / "f")))
