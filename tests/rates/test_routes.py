from typing import Any

import pytest
from fastapi.testclient import TestClient

from gpu_management.costs.service import Desk
from gpu_management.rates.pricing import SliceRule
from gpu_management.rates.service import BookKeeper
from tests.support.house import A100, T4, House

HERE = "/api/v1/gpu/rates"


def test_a_price_is_set_and_listed(client: TestClient) -> None:
    made = client.post(HERE, json={"modelId": T4, "costPerHour": 0.5, "note": "x"})
    assert made.status_code == 201
    assert made.json()["costPerHour"] == 0.5
    assert made.json()["profileName"] is None
    assert made.json()["currency"] == "USD"
    rows = client.get(f"{HERE}?modelId={T4}&sort=effectiveFrom").json()
    assert [row["source"] for row in rows] == ["list-price", "set"]
    assert client.get(HERE).headers["x-total-count"] == str(len(client.get(HERE).json()))


def test_a_price_of_a_profile_names_it(client: TestClient) -> None:
    body = {"modelId": A100, "profileName": "1g.10gb", "costPerHour": 1}
    assert client.post(HERE, json=body).json()["profileName"] == "1g.10gb"


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"modelId": "nobody", "costPerHour": 1}, 404),
        ({"modelId": T4, "costPerHour": -1}, 422),
        ({"modelId": T4, "costPerHour": 1e9}, 422),
        ({"modelId": T4, "costPerHour": 0.0000001}, 422),
        ({"modelId": T4, "costPerHour": "NaN"}, 422),
        ({"modelId": T4}, 422),
        ({"modelId": T4, "costPerHour": 1, "effectiveFrom": "2020-01-01T00:00:00Z"}, 422),
        ({"modelId": T4, "costPerHour": 1, "effectiveFrom": "2030-01-01T00:00:00"}, 422),
        ({"modelId": T4, "costPerHour": 1, "profileName": "1g.10gb"}, 422),
    ],
)
def test_what_cannot_be_a_price_is_refused(
    client: TestClient, body: dict[str, Any], status: int
) -> None:
    answer = client.post(HERE, json=body)
    assert answer.status_code == status
    assert answer.json()["data"] == []


def test_the_same_moment_twice_is_a_conflict(client: TestClient) -> None:
    body = {"modelId": T4, "costPerHour": 1, "effectiveFrom": "2030-01-01T09:00:00+09:00"}
    made = client.post(HERE, json=body)
    assert made.json()["effectiveFrom"] == "2030-01-01T00:00:00.000Z"
    again = client.post(HERE, json=body)
    assert (again.status_code, again.json()["code"]) == (409, "RATE_EXISTS")


def set_price(client: TestClient, dollars: float = 1, **more: Any) -> dict[str, Any]:
    made = client.post(HERE, json={"modelId": T4, "costPerHour": dollars, **more})
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


def test_a_price_for_a_place_or_for_shares_says_so(client: TestClient) -> None:
    made = set_price(client, nodePool="gold", clusterName="test", kind="share")
    assert (made["kind"], made["profileName"]) == ("share", None)
    assert (made["clusterName"], made["nodePool"]) == ("test", "gold")
    everywhere = set_price(client)
    assert (everywhere["kind"], everywhere["clusterName"], everywhere["nodePool"]) == (
        "card",
        None,
        None,
    )


def test_a_place_that_nobody_knows_is_accepted_with_a_warning(house: House) -> None:
    house.node(labels={"gpu.company.com/node-pool": "gold"})
    with house.client() as client:
        body = {"modelId": T4, "costPerHour": 1}
        known = client.post(HERE, json=body | {"nodePool": "gold", "clusterName": "test"})
        assert "x-gpu-warning" not in known.headers
        odd = client.post(HERE, json=body | {"nodePool": "golf", "clusterName": "tset", "x": 1})
        assert odd.status_code == 201
        warning = odd.headers["x-gpu-warning"]
    for words in ("unknown field x", "golf yet; did you mean gold?", "tset; did you mean test?"):
        assert words in warning


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "profile"},
        {"kind": "share", "profileName": "1g.10gb"},
        {"kind": "card", "profileName": "1g.10gb"},
        {"kind": "half"},
        {"costPerHour": 1000.5},
        {"basedOn": -1},
        {"nodePool": ""},
        {"nodePool": 'a"b'},
        {"clusterName": "c" * 64},
    ],
)
def test_a_contradictory_or_absurd_price_is_refused(
    client: TestClient, wrong: dict[str, Any]
) -> None:
    answer = client.post(HERE, json={"modelId": A100, "costPerHour": 1} | wrong)
    assert answer.status_code == 422, answer.text


def test_not_a_number_is_refused(client: TestClient) -> None:
    for cost in ("NaN", "Infinity", "-Infinity"):
        body = f'{{"modelId": "{T4}", "costPerHour": {cost}}}'
        answer = client.post(HERE, content=body, headers={"content-type": "application/json"})
        assert answer.status_code in {400, 422}


def test_the_highest_price_is_a_setting(house: House) -> None:
    with house.client(max_rate_per_hour=20_000) as client:
        assert set_price(client, 12_000)["costPerHour"] == 12_000


def test_two_people_who_edit_at_once_get_a_conflict(client: TestClient) -> None:
    seen = client.get(HERE, params={"modelId": T4, "sort": "-id"}).json()[0]["id"]
    body = {"modelId": T4, "costPerHour": 1, "basedOn": seen}
    assert client.post(HERE, json=body).status_code == 201
    lost = client.post(HERE, json=body | {"costPerHour": 2})
    assert (lost.status_code, lost.json()["code"]) == (409, "RATE_CHANGED")
    now = client.get(HERE, params={"modelId": T4, "sort": "-id"}).json()[0]["id"]
    assert lost.json()["newestId"] == now


def test_a_device_shows_the_price_of_its_pool_and_a_node_its_pool(house: House) -> None:
    (device,) = house.node(labels={"gpu.company.com/node-pool": "gold"})
    with house.client() as client:
        set_price(client, 7, nodePool="gold")
        assert client.get(f"/api/v1/gpu/devices/{device}").json()["costPerHour"] == 7
        assert client.get("/api/v1/gpu/nodes/n1").json()["nodePool"] == "gold"


def test_a_planned_price_is_listed_withdrawn_and_gone(client: TestClient) -> None:
    planned = set_price(client, 3, effectiveFrom="2030-01-01T00:00:00Z")
    assert planned["state"] == "planned"
    history = client.get(HERE, params={"modelId": T4, "sort": "effectiveFrom"}).json()
    assert [row["state"] for row in history] == ["inForce", "planned"]
    assert history[0]["effectiveUntil"] == planned["effectiveFrom"]
    assert client.delete(f"{HERE}/{planned['id']}").status_code == 204
    assert client.delete(f"{HERE}/{planned['id']}").status_code == 404
    listed = client.get(HERE, params={"modelId": T4}).json()
    assert [row["effectiveUntil"] for row in listed] == [None]
    refused = client.delete(f"{HERE}/{listed[0]['id']}")
    assert (refused.status_code, refused.json()["code"]) == (409, "RATE_IN_FORCE")


def test_the_book_is_read_as_of_a_moment_and_by_what_it_prices(house: House) -> None:
    with house.client() as client:
        set_price(client, 2)
        house.clock.forward(hours=1)
        set_price(client, 3)
        set_price(client, 4, nodePool="p")
        set_price(client, 1, kind="share")

        def costs(**asked: str) -> list[float]:
            rows = client.get(HERE, params={"modelId": T4, "sort": "id", **asked}).json()
            return [row["costPerHour"] for row in rows]

        assert costs(at="2020-01-01T00:00:00Z") == [0.526]
        assert costs(at="2030-01-01T00:00:00Z") == [3, 4, 1]
        assert costs(kind="card", nodePool="*") == [0.526, 2, 3]
        assert costs(nodePool="p") == [4]
        assert costs(kind="share") == [1]
        assert costs(kind="profile") == costs(clusterName="c") == []
        first = client.get(HERE, params={"sort": "id", "limit": "2"})
        assert len(first.json()) == 2
        assert client.get(first.links["next"]["url"]).status_code == 200


def test_a_quote_names_the_price_the_row_and_the_part_of_the_card(house: House) -> None:
    with house.client() as client:
        asked = {"modelId": A100, "profileName": "1g.10gb", "nodePool": "p"}
        general = client.get(f"{HERE}/quote", params=asked).json()
        assert (general["shareOfCard"], general["rate"]["source"]) == (0.142857, "list-price")
        set_price(client, 7, modelId=A100, nodePool="p", clusterName="test")
        here = client.get(f"{HERE}/quote", params=asked).json()
        assert (here["costPerHour"], here["rate"]["nodePool"]) == (1, "p")
        then = client.get(f"{HERE}/quote", params=asked | {"at": "2020-01-01T00:00:00Z"}).json()
        assert then["costPerHour"] == general["costPerHour"]
        share = client.get(f"{HERE}/quote", params={"modelId": A100, "milli": 500}).json()
        assert share["shareOfCard"] is None
        assert share["costPerHour"] == 1.715440
        unknown = client.get(f"{HERE}/quote", params={"modelId": A100, "profileName": "9g.1gb"})
        assert unknown.status_code == 422
        nothing = client.get(f"{HERE}/quote", params={"modelId": "p100-pcie-16gb"}).json()
        assert (nothing["costPerHour"], nothing["rate"], nothing["currency"]) == (None, None, "USD")


def test_what_has_no_price_is_listed_until_it_has_one(house: House) -> None:
    unpriced = "p100-pcie-16gb"
    house.node(gpus=2, model=unpriced)
    house.node("n2", gpus=1, model=unpriced, labels={"gpu.company.com/node-pool": "gold"})
    house.node("n3", model=T4)
    with house.client() as client:
        rows = client.get(f"{HERE}/unpriced").json()
        assert [(r["modelId"], r["nodePool"], r["count"]) for r in rows] == [
            (unpriced, None, 2),
            (unpriced, "gold", 1),
        ]
        set_price(client, modelId=unpriced, nodePool="gold")
        body: dict[str, Any] = {"modelId": unpriced, "effectiveFrom": "2030-01-01T00:00:00Z"}
        set_price(client, **body)
        (row,) = client.get(f"{HERE}/unpriced").json()
        assert (row["nodePool"], row["pricedFrom"]) == (None, "2030-01-01T00:00:00.000Z")
        set_price(client, modelId=unpriced)
        assert client.get(f"{HERE}/unpriced").json() == []


def test_slices_whose_share_nobody_knows_are_listed_as_unpriced(house: House) -> None:
    b200 = "b200-180gb"
    house.node(model=b200, layout=[("1g.23gb", 0), ("1g.23gb", 1)])
    keeper = BookKeeper(SliceRule.SM_SHARE)
    house.desk = Desk("USD", house.desk.zone, keeper)
    with house.client() as client:
        (row,) = client.get(f"{HERE}/unpriced").json()
        assert (row["modelId"], row["profileName"], row["count"]) == (b200, "1g.23gb", 2)
        set_price(client, 2, modelId=b200, profileName="1g.23gb")
        assert client.get(f"{HERE}/unpriced").json() == []


def test_the_calculator_shows_parts_that_add_up(client: TestClient) -> None:
    body = {
        "capex": 40625, "lifeYears": 3, "residualShare": 0.3, "powerKw": 1.275,
        "pue": 1.3, "pricePerKwh": 0.1, "opexSharePerYear": 0.05,
    }  # fmt: skip
    found = client.post(f"{HERE}/calculate", json=body).json()
    assert found["costPerHour"] == 1.479725
    assert found["parts"] == {"capital": 1.082097, "energy": 0.16575, "upkeep": 0.231878}
    assert round(sum(found["parts"].values()), 6) == found["costPerHour"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"lifeYears": 0},
        {"capex": -1},
        {"pue": 0.9},
        {"availability": 0},
        {"residualShare": 1.1},
        {"powerKw": 101},
        {"capex": "NaN"},
    ],
)
def test_the_calculator_refuses_absurd_figures(client: TestClient, wrong: dict[str, Any]) -> None:
    body = {"capex": 40625, "lifeYears": 3} | wrong
    assert client.post(f"{HERE}/calculate", json=body).status_code == 422
