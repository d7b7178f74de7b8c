"""The collector as the one who cuts: orders read, carried out through NVML, and told."""

import json
from collections.abc import Callable
from typing import Any

import httpx2
import pytest

from gpu_management.collector.main import Misused, options
from gpu_management.collector.mig_agent import MigAgent, Order, carry_out, read_order
from gpu_management.collector.mig_nvml import nvml_slicer
from tests.support.mig_nvml import CutGpu, CutNvml, cut_gpu

A100 = "a100-sxm4-80gb"


@pytest.fixture
def gpu() -> CutGpu:
    return cut_gpu("GPU-1", [("1g.10gb", 0), ("3g.40gb", 4)], geometry=A100)


def ordered(*places: tuple[str, int], uuid: str | None = "GPU-1") -> Order:
    return Order("o1", [(uuid, 0, [((name,), start) for name, start in places])])


def layout(gpu: CutGpu) -> list[tuple[str, int]]:
    return sorted(((one.profile, one.start) for one in gpu.slices), key=lambda place: place[1])


def test_it_sees_profiles_places_and_names_of_slices(gpu: CutGpu) -> None:
    with nvml_slicer(CutNvml(gpu, cut_gpu("GPU-2", [], geometry="a30"))) as slicer:
        first, second = slicer.look()
    assert [(one.profile, one.start, one.uuid) for one in first.slices] == [
        ("1g.10gb", 0, "MIG-GPU-1-1001"),
        ("3g.40gb", 4, "MIG-GPU-1-1002"),
    ]
    assert (second.uuid, second.index, second.mig_enabled, list(second.slices)) == (
        "GPU-2",
        1,
        True,
        [],
    )


def test_what_stays_is_left_alone_and_the_rest_is_cut(gpu: CutGpu) -> None:
    api = CutNvml(gpu)
    with nvml_slicer(api) as slicer:
        word = carry_out(slicer, ordered(("3g.40gb", 4), ("2g.20gb", 0), ("1g.10gb", 2)))
    assert (word.outcome, word.message) == ("done", None)
    assert [deed for deed, *_ in api.deeds] == ["destroy", "create", "create"]
    assert layout(gpu) == [("2g.20gb", 0), ("1g.10gb", 2), ("3g.40gb", 4)]
    assert api.open == 0


def test_a_new_slice_computes_with_all_it_has(gpu: CutGpu) -> None:
    with nvml_slicer(CutNvml(gpu)) as slicer:
        carry_out(slicer, ordered(("3g.40gb", 0), ("3g.40gb", 4)))
    made = next(one for one in gpu.slices if one.start == 0)
    assert made.computes == 3


def test_doing_it_again_changes_nothing(gpu: CutGpu) -> None:
    api, order = CutNvml(gpu), ordered(("7g.80gb", 0))
    with nvml_slicer(api) as slicer:
        carry_out(slicer, order)
        done = len(api.deeds)
        assert carry_out(slicer, order).outcome == "done"
    assert len(api.deeds) == done


@pytest.mark.parametrize(
    ("order", "says"),
    [
        (ordered(("7g.80gb", 0)), "1g.10gb at 0 cannot be destroyed: somebody uses it"),
        (ordered(("1g.10gb", 0), ("3g.40gb", 4), ("4g.40gb", 0)), "4g.40gb at 0 cannot be created"),
        (ordered(("1g.10gb", 0), ("3g.40gb", 4), ("9g.90gb", 2)), "knows no such profile"),
        (ordered(("1g.10gb", 0), ("3g.40gb", 4), ("2g.20gb", 3)), "it cannot begin there"),
        (ordered(uuid="GPU-9"), "there is no GPU GPU-9 here"),
    ],
)
def test_what_the_driver_refuses_is_told(gpu: CutGpu, order: Order, says: str) -> None:
    gpu.slices[0].in_use = True
    with nvml_slicer(CutNvml(gpu)) as slicer:
        word = carry_out(slicer, order)
    assert (word.outcome, says in (word.message or "")) == ("failed", True), word


def test_a_gpu_whose_mig_mode_is_off_is_not_cut(gpu: CutGpu) -> None:
    gpu.mig_enabled = False
    with nvml_slicer(CutNvml(gpu)) as slicer:
        word = carry_out(slicer, ordered(("7g.80gb", 0)))
    assert (word.outcome, word.message) == ("failed", "MIG mode is off on GPU 0")


Answer = Callable[[Any], dict[str, Any]]


def agent_for(gpu: CutGpu, answers: list[Any], seen: list[Any]) -> MigAgent:
    def serve(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        status, body = answers[min(len(seen), len(answers)) - 1]
        return httpx2.Response(status, json=body)

    client = httpx2.Client(transport=httpx2.MockTransport(serve), base_url="http://server")
    return MigAgent(client, lambda: "gpum_key", "n1", lambda: nvml_slicer(CutNvml(gpu)))


ORDER = {
    "orderId": "o1",
    "devices": [
        {
            "uuid": "GPU-1",
            "index": 0,
            "slices": [{"profile": "7g.80gb", "start": 0, "alsoCalled": ["7g.79gb"]}],
        }
    ],
}
NOTHING: dict[str, Any] = {"orderId": None, "devices": []}


def test_an_order_is_done_once_and_told_until_the_server_knows(gpu: CutGpu) -> None:
    seen: list[Any] = []
    agent = agent_for(gpu, [(200, ORDER)], seen)
    agent.round()
    agent.round()
    assert layout(gpu) == [("7g.80gb", 0)]
    bodies = [json.loads(request.content) for request in seen]
    assert [body.get("outcome") for body in bodies] == [None, "done", "done"]
    assert bodies[1]["devices"][0]["slices"][0]["profile"] == "7g.80gb"
    assert seen[0].headers["authorization"] == "Bearer gpum_key"
    assert seen[0].url.path == "/api/v1/gpu/mig/nodes/n1/report"


@pytest.mark.parametrize("answer", [(409, NOTHING), (200, NOTHING), (200, {"orderId": "o1"})])
def test_without_an_order_that_it_understands_nothing_is_cut(
    gpu: CutGpu, answer: tuple[int, Any]
) -> None:
    before = layout(gpu)
    agent_for(gpu, [answer], []).round()
    assert layout(gpu) == before


def test_a_profile_is_found_by_the_name_that_the_driver_uses(gpu: CutGpu) -> None:
    gpu.calls = {"7g.80gb": "7g.79gb"}
    seen: list[Any] = []
    agent = agent_for(gpu, [(200, ORDER)], seen)
    agent.round()
    assert layout(gpu) == [("7g.80gb", 0)]
    told = json.loads(seen[-1].content)
    assert (told["outcome"], told["devices"][0]["slices"][0]["profile"]) == ("done", "7g.79gb")


def test_an_answer_without_an_order_is_nothing_to_do() -> None:
    assert read_order(NOTHING) is None


def test_it_is_off_unless_the_environment_says_so() -> None:
    assert options({"NODE_NAME": "n1"}).cuts_gpus is False
    assert options({"NODE_NAME": "n1", "MIG_AGENT": "true"}).cuts_gpus is True
    with pytest.raises(Misused, match="MIG_AGENT"):
        options({"NODE_NAME": "n1", "MIG_AGENT": "maybe"})
