"""What administrators see of the settings of a server."""

from collections.abc import Sequence

from fastapi.testclient import TestClient

from gpu_management.core.settings_load import load
from gpu_management.core.settings_report import Row, show
from gpu_management.core.text import MASK
from tests.support.house import House

SETTINGS = "/api/v1/admin/settings"


def shown(house: House, rows: Sequence[Row]) -> TestClient:
    caller = house.client()
    caller.app.state.settings_shown = rows  # type: ignore[attr-defined]
    return caller


def test_settings_are_told_with_their_origin_and_without_their_secrets(house: House) -> None:
    environ = {"GPU_MANAGEMENT_BILLING_CURRENCY": "KRW", "DB_PASSWORD": "swordfish"}
    loaded = load(environ=environ, flags={"server.port": 9090})
    answer = shown(house, show(loaded)).get(SETTINGS)
    found = {row["key"]: row for row in answer.json()}
    assert found["billing.currency"]["value"] == "KRW"
    assert found["billing.currency"]["origin"] != "default"
    assert found["server.port"]["value"] == "9090"
    assert found["database.password"]["value"] == MASK
    assert "swordfish" not in answer.text


def test_settings_are_a_list_like_any_other(house: House) -> None:
    caller = shown(house, show(load(environ={}, flags={})))
    first = caller.get(SETTINGS, params={"limit": 2})
    assert len(first.json()) == 2
    assert int(first.headers["X-Total-Count"]) > 50
    assert caller.get(SETTINGS, params={"format": "csv"}).text.startswith("key,value,origin")
