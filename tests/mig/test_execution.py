from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_management.mig.execution import (
    ASKED,
    ENDED,
    News,
    Outcome,
    PlanState,
    Progress,
    Seen,
    begin_task,
    follow,
    judge_cut,
    judge_drain,
    resume,
    task_in_hand,
    undo,
)
from gpu_management.mig.plan_tasks import (
    Cut,
    Move,
    Slice,
    Unexecutable,
    as_document,
    check_whole_cuts,
    compile_tasks,
    read_task,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
MOVE = Move("a1", "ml", "train", "1g.10gb", "d1", 0, "d2", 3)
CUT = Cut("n1", {"d1": (("1g.10gb", 0),)}, {"d1": ()})
NODES = {"d1": "n1", "d2": "n2"}

deeds = st.sampled_from(["begin", "done", "fail", "pause", "wait", "cancel"])


def step(op: str, device: str, place: tuple[str, int], **more: object) -> dict[str, object]:
    told: dict[str, object] = {
        "op": op,
        "device_id": device,
        "profile": place[0],
        "start": place[1],
        "from_device_id": None,
        "from_start": place[1],
        "mig_id": "x",
        "allocation_id": "a1",
        "namespace": "ml",
        "pod_name": "train",
    }
    return told | more


def told(progress: Progress, deed: str, count: int) -> Progress:
    """Return where a plan is after a deed of ours or of the world."""
    if progress.state is PlanState.PAUSED:
        progress = resume(progress, now=NOW)
    if deed == "cancel" and not progress.is_undoing:
        return undo(progress, "cancelled", now=NOW)
    if not progress.stage:
        return begin_task(progress, now=NOW)
    if deed in {"begin", "cancel"}:
        return progress
    return follow(progress, Outcome(News(deed), deed), count, now=NOW)


@given(st.lists(deeds, max_size=60), st.integers(1, 6))
def test_what_was_begun_is_finished_or_taken_back(said: list[str], count: int) -> None:
    progress, changed = Progress(PlanState.RUNNING), set[int]()
    for deed in said:
        before, progress = progress, told(progress, deed, count)
        if progress.stage and not progress.is_undoing:
            changed.add(progress.position)
        if before.is_undoing and progress.position < before.position:
            changed.discard(before.position)
        if progress.state in ENDED:
            break
    assert (task_in_hand(progress, [MOVE] * count) is None) is (
        progress.state in {PlanState.DONE, PlanState.ROLLED_BACK}
    )
    left = {PlanState.DONE: set(range(count)), PlanState.ROLLED_BACK: set[int]()}
    assert changed == left.get(progress.state, changed)
    assert progress.state is not PlanState.FAILED or progress.is_undoing


def test_only_success_that_is_seen_counts() -> None:
    asked = Progress(PlanState.RUNNING, stage=ASKED, since=NOW)
    assert judge_cut(Seen("x", "success", None), "x", asked, now=NOW).news is News.DONE
    lie = judge_cut(Seen("x", "success", "GPU 0 has no slices"), "x", asked, now=NOW)
    assert (lie.news, lie.stage) == (News.WAIT, "success")
    told = Progress(PlanState.RUNNING, stage="success", since=NOW)
    later = NOW + timedelta(hours=1)
    seen = Seen("x", "success", "GPU 0 has no slices")
    assert judge_cut(seen, "x", told, now=later).news is News.FAIL
    assert judge_cut(Seen("x", "failed", None), "x", asked, now=NOW).news is News.FAIL
    assert judge_cut(Seen("x", None, None), "x", asked, now=later).news is News.FAIL
    assert judge_cut(Seen("y", "success", None), "x", asked, now=NOW).news is News.PAUSE


def test_a_state_that_changes_has_its_own_time() -> None:
    late = Progress(PlanState.RUNNING, stage="pending", since=NOW - timedelta(hours=1))
    assert judge_cut(Seen("x", "rebooting", None), "x", late, now=NOW).news is News.WAIT
    assert judge_cut(Seen("x", "pending", None), "x", late, now=NOW).news is News.FAIL


def test_pods_that_do_not_end_in_time_pause_a_plan() -> None:
    progress = Progress(PlanState.RUNNING, stage="begun", since=NOW)
    assert judge_drain([], None, progress, now=NOW).news is News.DONE
    assert judge_drain(["train"], None, progress, now=NOW).news is News.WAIT
    late = judge_drain(["train"], "a budget", progress, now=NOW + timedelta(hours=1))
    assert (late.news, "a budget" in (late.message or "")) == (News.PAUSE, True)


def test_tasks_are_read_back_and_taken_back() -> None:
    for task in (MOVE, CUT):
        assert read_task(as_document(task)) == task
        assert task.back.back == task


def test_a_device_is_cut_before_work_moves_there_and_once_more_at_the_end() -> None:
    before = {"d1": [Slice("1g.10gb", 0, "a1")], "d2": [Slice("4g.40gb", 0, None)]}
    steps = [
        step("destroy", "d2", ("4g.40gb", 0)),
        step("move", "d2", ("1g.10gb", 3), from_device_id="d1", from_start=0),
        step("create", "d1", ("7g.80gb", 0)),
    ]
    first, move, last = compile_tasks(steps, before, NODES)
    assert first == Cut("n2", {"d2": (("4g.40gb", 0),)}, {"d2": (("1g.10gb", 3),)})
    assert move == MOVE
    assert last == Cut("n1", {"d1": (("1g.10gb", 0),)}, {"d1": (("7g.80gb", 0),)})
    check_whole_cuts([first, move, last], before)


def test_a_cut_under_somebody_names_the_device() -> None:
    before = {"d1": [Slice("1g.10gb", 0, "a1")]}
    tasks = compile_tasks([step("create", "d1", ("3g.40gb", 4))], before, NODES)
    with pytest.raises(Unexecutable) as refused:
        check_whole_cuts(tasks, before)
    assert refused.value.device_id == "d1"
