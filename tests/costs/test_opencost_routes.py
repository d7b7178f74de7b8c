"""OpenCost's clients read us: shapes, fields, errors, and the same money as everywhere else."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from hypothesis import given, settings
from hypothesis import strategies as st

from gpu_management.auth import schemas, service
from gpu_management.auth.access import Role
from gpu_management.auth.authenticators import IssuedKeys
from gpu_management.auth.principals import Mode, Security
from gpu_management.costs.closing import close_days
from tests.support.house import H100, T4, House, prepared_database
from tests.support.principals import ADMIN

GUIDE = (Path(__file__).resolve().parents[2] / "docs/guides/opencost.md").read_text("utf-8")
FIELDS_2024_10 = {
    *("name", "properties", "window", "start", "end", "minutes"),
    *("cpuCores", "cpuCoreRequestAverage", "cpuCoreUsageAverage", "cpuCoreHours", "cpuCost"),
    *("cpuCostAdjustment", "cpuEfficiency", "gpuCount", "gpuHours", "gpuCost"),
    *("gpuCostAdjustment", "gpuEfficiency", "gpuRequestAverage", "gpuUsageAverage"),
    *("networkTransferBytes", "networkReceiveBytes", "networkCost", "networkCrossZoneCost"),
    *("networkCrossRegionCost", "networkInternetCost", "networkCostAdjustment"),
    *("loadBalancerCost", "loadBalancerCostAdjustment", "pvBytes", "pvByteHours", "pvCost"),
    *("pvs", "pvCostAdjustment", "ramBytes", "ramByteRequestAverage", "ramByteUsageAverage"),
    *("ramByteHours", "ramCost", "ramCostAdjustment", "ramEfficiency", "externalCost"),
    *("sharedCost", "totalCost", "totalEfficiency", "lbAllocations"),
}
FIELDS_NEWER = {
    *("gpuAllocation", "gpuCostIdle", "cpuCostIdle", "ramCostIdle"),
    *("cpuCoreLimitAverage", "ramByteLimitAverage"),
}
SUMMARY_FIELDS = {
    *("name", "start", "end", "cpuCoreRequestAverage", "cpuCoreUsageAverage", "cpuCost"),
    *("gpuCost", "networkCost", "loadBalancerCost", "pvCost", "ramByteRequestAverage"),
    *("ramByteUsageAverage", "ramCost", "sharedCost", "externalCost", "totalEfficiency"),
    "totalCost",
}


@pytest.fixture
def busy(house: House) -> House:
    """Return a house where two teams held GPUs for 31 hours up to now, 2026-03-03T19:00Z."""
    house.node("n1", gpus=2, model=H100)
    house.node("n2", gpus=1, model=T4)
    house.request(required_memory_gb=80, team_id="vision", user_id="kim")
    house.clock.forward(seconds=30 * 3600)
    house.request(required_memory_gb=8, gpu_milli=250, namespace="web", pod_name="shop")
    house.clock.forward(seconds=3600)
    return house


def ask(client: TestClient, path: str = "/allocation", **query: Any) -> Any:
    """Ask and return `data`."""
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    assert answer.json()["code"] == 200
    return answer.json()["data"]


def test_a_window_answers_one_map_of_rows(busy: House, client: TestClient) -> None:
    (rows,) = ask(client, window="2d", aggregate="namespace")
    assert sorted(rows) == ["ml", "web"]
    assert rows["ml"] | {"properties": None} == rows["ml"] | {
        "name": "ml",
        "properties": None,
        "window": {"start": "2026-03-02T00:00:00Z", "end": "2026-03-04T00:00:00Z"},
        "start": "2026-03-02T12:00:00Z",
        "end": "2026-03-03T19:00:00Z",
        "minutes": 1860.0,
        "gpuCount": 1.0,
        "gpuHours": 31.0,
        "gpuCost": 213.28,
        "totalCost": 213.28,
        "gpuCostIdle": 0.0,
        "gpuEfficiency": None,
        "gpuRequestAverage": 1.0,
        "gpuUsageAverage": None,
        "cpuCost": 0.0,
        "ramCost": 0.0,
        "cpuCores": None,
        "gpuAllocation": {
            "gpuDevice": "n1-GPU-00",
            "gpuModel": H100,
            "gpuUUID": None,
            "isGPUShared": False,
            "gpuUsageAverage": None,
            "gpuRequestAverage": 1.0,
        },
    }
    assert rows["web"]["gpuHours"] == 0.25
    assert rows["web"]["gpuAllocation"]["isGPUShared"] is True


def test_rows_have_every_field_of_both_versions(busy: House, client: TestClient) -> None:
    (rows,) = ask(client, window="2d", aggregate="all", includeIdle=True)
    for row in rows.values():
        assert set(row) == FIELDS_2024_10 | FIELDS_NEWER
    summary = ask(client, "/allocation/summary", window="2d", aggregate="all")
    assert set(summary["sets"][0]["allocations"][""]) == SUMMARY_FIELDS


def test_rows_are_named_by_container_unless_asked_otherwise(
    busy: House, client: TestClient
) -> None:
    (rows,) = ask(client, window="2d", filter='namespace:"ml"')
    (row,) = rows.values()
    assert row["name"] == "test/n1/ml/train/__unallocated__"
    labels = row["properties"].pop("labels")
    assert row["properties"] == {
        "cluster": "test",
        "node": "n1",
        "namespace": "ml",
        "pod": "train",
    }
    assert labels["team"] == "vision"
    assert (labels["user"], labels["gpu_model"]) == ("kim", H100)


def test_teams_and_labels_group_alike(busy: House, client: TestClient) -> None:
    (by_team,) = ask(client, window="2d", aggregate="team")
    (by_label,) = ask(client, window="2d", aggregate="label:team")
    assert by_team == by_label
    assert sorted(by_team) == ["__unallocated__", "vision"]
    assert sorted(ask(client, window="2d", aggregate="deployment")[0]) == ["__unallocated__"]


def test_steps_make_a_map_each_and_accumulate_joins_them(busy: House, client: TestClient) -> None:
    days = ask(client, window="3d", step="1d", aggregate="all")
    (whole,) = ask(client, window="3d", step="1d", aggregate="all", accumulate="true")
    (newer,) = ask(client, window="3d", aggregate="all", accumulateBy="all")
    assert [rows.get("", {}).get("gpuHours") for rows in days] == [None, 12.0, 19.25]
    assert whole[""]["gpuHours"] == newer[""]["gpuHours"] == 31.25


def test_what_lies_ahead_costs_nothing_yet(busy: House, client: TestClient) -> None:
    ahead = ask(client, window="2026-03-04T00:00:00Z,2026-03-06T00:00:00Z", step="1d")
    assert ahead == [{}, {}]


def test_idle_time_is_told_at_the_price_of_the_card(busy: House, client: TestClient) -> None:
    (rows,) = ask(client, window="2d", aggregate="cluster", includeIdle=True)
    assert sorted(rows) == ["__idle__", "test"]
    assert rows["__idle__"]["properties"] == {"cluster": "test"}
    assert rows["__idle__"]["gpuHours"] == 31 * 3 - 31.25
    (by_node,) = ask(client, window="2d", aggregate="cluster", includeIdle=True, idleByNode=True)
    assert sorted(by_node) == ["test", "test/n1/__idle__", "test/n2/__idle__"]
    (none,) = ask(client, window="2d", aggregate="cluster")
    assert sorted(none) == ["test"]


def test_shared_idle_time_keeps_the_total(busy: House, client: TestClient) -> None:
    query = {"window": "2d", "aggregate": "namespace"}
    (told,) = ask(client, includeIdle=True, **query)
    (shared,) = ask(client, includeIdle=True, shareIdle=True, **query)
    assert sorted(shared) == ["ml", "web"]
    total = sum(row["totalCost"] for row in told.values())
    assert sum(row["totalCost"] for row in shared.values()) == pytest.approx(total, abs=2e-5)
    assert shared["ml"]["gpuCostIdle"] == pytest.approx(
        shared["ml"]["gpuCost"] - told["ml"]["gpuCost"], abs=2e-5
    )


def test_a_summary_has_sets_and_the_step_in_nanoseconds(busy: House, client: TestClient) -> None:
    summary = ask(client, "/allocation/summary", window="2d", step="1d", aggregate="namespace")
    assert summary["step"] == 86_400_000_000_000
    assert summary["window"] == {"start": "2026-03-02T00:00:00Z", "end": "2026-03-04T00:00:00Z"}
    assert [sorted(of["allocations"]) for of in summary["sets"]] == [["ml"], ["ml", "web"]]
    assert summary["sets"][1]["window"]["start"] == "2026-03-03T00:00:00Z"


@pytest.mark.parametrize("path", ["/allocation", "/allocation/summary"])
def test_other_addresses_answer_the_same(busy: House, client: TestClient, path: str) -> None:
    plain = ask(client, path, window="2d")
    computed = path.replace("/allocation", "/allocation/compute")
    for other in (f"/model{path}", f"/model{computed}", computed, f"/k8s-monitor{path}"):
        assert ask(client, other, window="2d") == plain


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({}, "Invalid 'window' parameter: illegal window: "),
        ({"window": "7y"}, "Invalid 'window' parameter: illegal window: 7y"),
        ({"window": "1d", "aggregate": "galaxy"}, "invalid allocation property: galaxy"),
        ({"window": "1d", "step": "x"}, "Invalid 'step' parameter"),
        ({"window": "1d", "step": "1s"}, "86400 steps; at most 1000"),
        ({"window": "1d", "accumulate": "decade"}, "Invalid 'accumulate' parameter"),
        ({"window": "1d", "filter": "x"}, "Invalid 'filter' parameter"),
    ],
)
@pytest.mark.parametrize("path", ["/allocation", "/model/allocation/summary"])
def test_what_cannot_be_read_is_refused_as_opencost_does(
    client: TestClient, path: str, query: dict[str, str], message: str
) -> None:
    answer = client.get(path, params=query)
    assert answer.status_code == 400
    assert answer.json()["code"] == 400
    assert message in answer.json()["message"]
    assert set(answer.json()) == {"code", "message"}


@pytest.mark.parametrize("path", ["/allocation", "/model/allocation/summary"])
def test_costs_are_for_those_who_may_read_costs(busy: House, path: str) -> None:
    security = Security(Mode.ENFORCED, authenticators=(IssuedKeys(busy.database),))
    expected = {Role.FINANCE: 200, Role.VIEWER: 200, Role.USER: 403, Role.OPERATOR: 403}
    with busy.client(security) as client:
        for role, status in expected.items():
            headers = {"Authorization": f"Bearer {_key(busy, role)}"}
            assert client.get(path, params={"window": "1d"}, headers=headers).status_code == status
        assert client.get(path, params={"window": "1d"}).status_code == 401


def _key(house: House, role: Role) -> str:
    asked = schemas.ApiKeyCreate(name=role.value, roles=[role], team="ml")
    with house.database.write() as session:
        return service.create_key(session, asked, by=ADMIN, now=house.now).secret


def test_the_guide_shows_what_is_answered(house: House, client: TestClient) -> None:
    house.node("n1", gpus=2, model=H100)
    house.request(required_memory_gb=80, team_id="vision")
    house.clock.forward(seconds=31 * 3600)
    shown = re.findall(r"```http\nGET (\S+)\n```\n\n```json\n(.*?)```", GUIDE, re.DOTALL)
    assert len(shown) == 3
    for address, told in shown:
        answer = client.get(address)
        assert answer.status_code == json.loads(told)["code"]
        assert_holds(answer.json(), json.loads(told))


def assert_holds(found: Any, told: Any) -> None:
    """Compare what is told; fields of rows that are left out may be anything."""
    if isinstance(told, dict):
        assert set(told) <= set(found)
        for name, value in told.items():
            assert_holds(found[name], value)
    elif isinstance(told, list):
        for one, other in zip(found, told, strict=True):
            assert_holds(one, other)
            assert set(one) == set(other)  # no row is left out
    else:
        assert found == told


GROUPS = st.sampled_from(["namespace", "team", "node", "cluster", "all", "pod,label:gpu_model", ""])
EVENTS = st.lists(
    st.tuples(st.sampled_from(["whole", "share", "release"]), st.integers(1, 30 * 3600)),
    min_size=1,
    max_size=8,
)


@settings(max_examples=12, deadline=None)
@given(history=EVENTS, group=GROUPS, step=st.sampled_from(["", "1h", "7h", "1d"]))
def test_every_grouping_and_step_sums_to_what_was_spent(
    tmp_path_factory: pytest.TempPathFactory,
    history: list[tuple[str, int]],
    group: str,
    step: str,
) -> None:
    house = House(prepared_database(tmp_path_factory.mktemp("house")))
    house.node("n1", gpus=4, model=H100)
    house.node("n2", gpus=12, model=T4)
    held = []
    for deed, seconds in history:
        house.clock.forward(seconds=seconds)
        if deed == "release" and held:
            house.release(held.pop())
        elif deed != "release":
            share = {"gpu_milli": 137} if deed == "share" else {}
            held.append(house.request(team_id="t" * len(held) or None, **share).allocation_id)
    with house.database.write() as session:
        close_days(session, house.desk.terms(session), now=house.now, most_days=99)
    with house.client() as client:
        spent = client.get("/api/v1/gpu/cost/analysis", params={"days": 14}).json()["totalCost"]
        sets = ask(client, window="14d", aggregate=group, step=step)
    rows = [row for rows in sets for row in rows.values()]
    assert sum(row["totalCost"] for row in rows) == pytest.approx(spent, abs=1e-5 * (len(rows) + 1))
    house.database.close()
