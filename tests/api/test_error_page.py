"""A browser that is led to an error gets a page in its language; programs get the document."""

from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from gpu_management.auth.authenticators import IssuedKeys
from gpu_management.auth.principals import Mode, Security
from tests.support.house import House, prepared_database

CHROME = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
ENGLISH = {"accept": CHROME, "accept-language": "en-US,en"}
KOREAN = {"accept": CHROME, "accept-language": "ko-KR,ko;q=0.9,en;q=0.5"}
NOBODY = "/api/v1/gpu/devices/nobody"


@pytest.mark.parametrize(
    ("headers", "language", "told"),
    [
        (ENGLISH, "en", ["There is no such", "The address is wrong", ">Dashboard<"]),
        (KOREAN, "ko", ["대상을 찾을 수 없습니다", "주소가 틀렸거나", ">대시보드<"]),
    ],
)
def test_what_is_not_there_is_a_page_with_a_way_on(
    client: TestClient, headers: dict[str, str], language: str, told: list[str]
) -> None:
    answer = client.get(NOBODY, headers=headers)
    assert answer.status_code == 404
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-language"] == language
    assert f'<html lang="{language}">' in answer.text
    assert answer.headers["x-request-id"] in answer.text
    for words in [*told, "no GPU device has the id nobody", 'href="/"']:
        assert words in answer.text


def test_an_unknown_address_is_a_page_where_no_dashboard_was_built(client: TestClient) -> None:
    answer = client.get("/nowhere", headers=ENGLISH)
    assert answer.status_code == 404
    assert "nothing answers at /nowhere" in answer.text


def test_who_must_log_in_first_is_told_where(house: House) -> None:
    security = Security(Mode.ENFORCED, authenticators=(IssuedKeys(house.database),))
    with house.client(security) as client:
        answer = client.get("/api/v1/gpu/devices", headers=KOREAN)
    assert answer.status_code == 401
    assert "WWW-Authenticate" in answer.headers
    assert "대시보드에서 로그인한 뒤" in answer.text


def test_a_bug_is_a_page_with_the_request_id_and_nothing_of_the_bug(tmp_path: Path) -> None:
    app = House(prepared_database(tmp_path)).app()

    @app.get("/api/v1/broken")
    def broken() -> None:
        raise RuntimeError("secret detail")

    with TestClient(app) as client:
        answer = client.get("/api/v1/broken", headers=KOREAN | {"X-Request-Id": "abc"})
    assert answer.status_code == 500
    assert "<code>abc</code>" in answer.text
    assert "서버의 잘못입니다" in answer.text
    assert "secret detail" not in answer.text


def test_what_an_address_says_is_never_markup(client: TestClient) -> None:
    answer = client.get("/api/v1/gpu/devices/<script>alert(1)<script>", headers=ENGLISH)
    assert answer.status_code == 404
    assert "<script>" not in answer.text


def test_under_the_context_path_the_page_leads_on_there(client: TestClient) -> None:
    answer = client.get(f"/k8s-monitor{NOBODY}", headers=ENGLISH)
    assert 'href="/k8s-monitor/"' in answer.text
    assert 'href="/k8s-monitor/assets/page.css"' in answer.text


@pytest.mark.parametrize("accept", ["*/*", "application/json", "application/json, text/html"])
def test_programs_get_the_document(client: TestClient, accept: str) -> None:
    answer = client.get(NOBODY, headers={"accept": accept})
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.headers["vary"].startswith("Accept, Accept-Language")
    assert answer.json()["code"] == "RESOURCE_NOT_FOUND"


def test_a_change_is_answered_with_the_document(client: TestClient) -> None:
    answer = client.delete(NOBODY, headers=ENGLISH)
    assert answer.headers["content-type"] == "application/problem+json"
