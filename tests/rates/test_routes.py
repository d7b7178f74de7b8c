from typing import Any

import pytest
from fastapi.testclient import TestClient

from tests.support.house import A100, T4

HERE = "/api/v1/gpu/cost/rates"


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
