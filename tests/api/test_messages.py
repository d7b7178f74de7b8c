"""Errors in the reader's language: English unless asked, Korean in full."""

import re

import pytest
from fastapi.testclient import TestClient

from gpu_management.core.messages import KOREAN, language_of
from gpu_management.core.problems import every_kind

NOBODY = "/api/v1/gpu/devices/nobody"


def test_no_title_is_missing_in_either_language(client: TestClient) -> None:
    assert client is not None  # every route, so every problem, is imported
    titles = {kind.code: kind.title for kind in every_kind()}
    assert set(KOREAN) == set(titles)
    assert all(re.search("[가-힣]", title) for title in KOREAN.values())
    assert all(title.isascii() and title for title in titles.values())


@pytest.mark.parametrize(
    ("accepted", "language"),
    [
        ("", "en"),
        ("ko", "ko"),
        ("ko-KR,ko;q=0.9,en-US;q=0.8", "ko"),
        ("en-US,en;q=0.9,ko;q=0.8", "en"),
        ("fr, ko;q=0.5", "ko"),
        ("fr", "en"),
        ("*", "en"),
        ("ko;q=0", "en"),
        ("ko;q=x, \x00", "en"),
    ],
)
def test_the_language_liked_best_of_ours_is_spoken(accepted: str, language: str) -> None:
    assert language_of(accepted) == language


def test_a_problem_speaks_korean_to_who_asks_for_it(client: TestClient) -> None:
    english = client.get(NOBODY)
    korean = client.get(NOBODY, headers={"accept-language": "ko-KR,ko;q=0.9,en;q=0.5"})
    assert english.headers["content-language"] == "en"
    assert korean.headers["content-language"] == "ko"
    assert "Accept-Language" in korean.headers["vary"]
    first, second = english.json(), korean.json()
    assert second["title"] == KOREAN["RESOURCE_NOT_FOUND"]
    assert first["title"] != second["title"]
    for field in ("code", "detail", "status", "type", "data"):
        assert first[field] == second[field]
