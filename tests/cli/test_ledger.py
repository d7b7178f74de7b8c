"""`gpuctl costs ...` against a server."""

from tests.support.cli import gpuctl
from tests.support.live import LiveServer


def test_costs_are_shown_by_any_dimensions_and_as_csv(live: LiveServer) -> None:
    gpuctl(live, "request", "--memory", "1")
    ran = gpuctl(live, "costs", "by", "team,day", "--days", "3")
    assert ran.code == 0, ran.err
    exported = gpuctl(live, "costs", "by", "node", "-o", "csv")
    assert exported.code == 0
    assert gpuctl(live, "costs", "by", "moon").code == 2
    assert gpuctl(live, "costs", "by", "team", "--only", "nonsense").code == 2
    assert gpuctl(live, "costs", "by", "user", "--mine", "--only", "model=t4").code == 0


def test_where_the_time_went_is_shown_for_groups_and_for_one_gpu(live: LiveServer) -> None:
    ran = gpuctl(live, "costs", "buckets", "model", "--days", "2")
    assert ran.code == 0, ran.err
    assert "UNATTRIBUTED" in ran.out
    one = gpuctl(live, "costs", "gpu", "gpu-worker-1-GPU-03", "--days", "2")
    assert one.code == 0, one.err
    assert "READY" in one.out
    assert gpuctl(live, "costs", "gpu", "nobody").code == 1


def test_an_allocation_shows_its_holds_and_what_is_wrong_is_corrected(live: LiveServer) -> None:
    made = gpuctl(live, "request", "--memory", "1", "-o", "json")
    assert made.code == 0, made.err
    name = made.json["allocationId"]
    shown = gpuctl(live, "costs", "allocation", name)
    assert "COST SO FAR" in shown.out
    hold = gpuctl(live, "costs", "allocation", name, "-o", "json").json["holds"][0]["holdId"]
    assert gpuctl(live, "costs", "correct", str(hold), "-m", "early").code == 1
    assert gpuctl(live, "release", name).code == 0
    done = gpuctl(live, "costs", "correct", str(hold), "-m", "seen twice")
    assert done.code == 0, done.err
    assert f"replaces hold {hold}" in done.out


def test_the_former_name_of_the_group_is_understood_and_not_shown(live: LiveServer) -> None:
    former = gpuctl(live, "cost", "analysis", "-o", "json")
    assert former.code == 0, former.err
    assert former.json["currency"] == "USD"
    assert "\n│ cost " not in gpuctl(live, "--help").out
