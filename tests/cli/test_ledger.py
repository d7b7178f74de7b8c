"""`gpuctl cost ...` against a server."""

from tests.support.cli import gpuctl
from tests.support.live import LiveServer


def test_costs_are_shown_by_any_dimensions_and_as_csv(live: LiveServer) -> None:
    gpuctl(live, "request", "--memory", "1")
    ran = gpuctl(live, "cost", "by", "team,day", "--days", "3")
    assert ran.code == 0, ran.err
    exported = gpuctl(live, "cost", "by", "node", "-o", "csv")
    assert exported.code == 0
    assert gpuctl(live, "cost", "by", "moon").code == 2
    assert gpuctl(live, "cost", "by", "team", "--only", "nonsense").code == 2
    assert gpuctl(live, "cost", "by", "user", "--mine", "--only", "model=t4").code == 0


def test_where_the_time_went_is_shown_for_groups_and_for_one_gpu(live: LiveServer) -> None:
    ran = gpuctl(live, "cost", "buckets", "model", "--days", "2")
    assert ran.code == 0, ran.err
    assert "UNATTRIBUTED" in ran.out
    one = gpuctl(live, "cost", "gpu", "gpu-worker-1-GPU-03", "--days", "2")
    assert one.code == 0, one.err
    assert "READY" in one.out
    assert gpuctl(live, "cost", "gpu", "nobody").code == 1


def test_an_allocation_shows_its_holds_and_what_is_wrong_is_corrected(live: LiveServer) -> None:
    made = gpuctl(live, "request", "--memory", "1", "-o", "json")
    assert made.code == 0, made.err
    name = made.json["allocationId"]
    shown = gpuctl(live, "cost", "allocation", name)
    assert "COST SO FAR" in shown.out
    hold = gpuctl(live, "cost", "allocation", name, "-o", "json").json["holds"][0]["holdId"]
    assert gpuctl(live, "cost", "correct", str(hold), "-m", "early").code == 1
    assert gpuctl(live, "release", name).code == 0
    done = gpuctl(live, "cost", "correct", str(hold), "-m", "seen twice")
    assert done.code == 0, done.err
    assert f"replaces hold {hold}" in done.out
