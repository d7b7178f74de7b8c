"""The search over everything: nodes, GPUs, teams and allocations by a part of their name."""

from typing import Any

import pytest
from fastapi.testclient import TestClient

from gpu_management.auth import schemas, service, teams
from gpu_management.auth.access import Role
from gpu_management.auth.authenticators import IssuedKeys
from gpu_management.auth.principals import Mode, Security
from tests.support.apps import NOON
from tests.support.house import BROWSER, House
from tests.support.principals import ADMIN


@pytest.fixture(autouse=True)
def _filled(house: House) -> None:
    house.node("rack-1", gpus=2)
    house.request(team_id="vision", pod_name="train-rack", user_id="mina")
    house.request(team_id="speech", pod_name="serve-100")
    with house.database.write() as session:
        for name in ("vision", "speech"):
            asked = schemas.TeamCreate(team_id=name, name=name.title())
            teams.create_team(session, asked, by=ADMIN, now=NOON)


def _found(client: TestClient, text: str, **options: Any) -> list[tuple[str, str]]:
    answer = client.get("/api/v1/gpu/search", params={"q": text}, headers=BROWSER, **options)
    assert answer.status_code == 200, answer.text
    return [(hit["kind"], hit["title"]) for hit in answer.json()]


def test_a_part_of_a_name_finds_every_kind_of_thing(house: House) -> None:
    with house.client() as client:
        assert _found(client, "RACK") == [
            ("node", "rack-1"),
            ("device", "rack-1-GPU-00"),
            ("device", "rack-1-GPU-01"),
            ("allocation", "ml/train-rack"),
        ]
        assert _found(client, "visi") == [("team", "Vision")]
        assert _found(client, "mina") == [("allocation", "ml/train-rack")]


@pytest.mark.parametrize(("text", "count"), [("-100", 1), ("100%", 0), ("_ack", 0), ("%", 0)])
def test_wildcards_are_letters_like_others(house: House, text: str, count: int) -> None:
    with house.client() as client:
        assert len(_found(client, text)) == count


def test_a_limit_is_for_each_kind(house: House) -> None:
    house.node("rack-2", gpus=2)
    with house.client() as client:
        answer = client.get("/api/v1/gpu/search?q=rack&limit=1", headers=BROWSER).json()
    assert sorted(hit["kind"] for hit in answer) == ["allocation", "device", "node"]


def test_a_user_finds_its_own_team_and_no_gpus(house: House) -> None:
    security = Security(Mode.ENFORCED, authenticators=(IssuedKeys(house.database),))
    asked = schemas.ApiKeyCreate(name="u", roles=[Role.USER], team="vision")
    with house.database.write() as session:
        secret = service.create_key(session, asked, by=ADMIN, now=NOON).secret
    with house.client(security) as client:
        client.headers["Authorization"] = f"Bearer {secret}"
        assert _found(client, "rack") == [("node", "rack-1"), ("allocation", "ml/train-rack")]
        assert _found(client, "speech") == []
        assert _found(client, "serve") == []
