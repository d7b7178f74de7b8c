"""What nobody expected: one problem document, one log line, and the connection stays usable."""

import logging
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from tests.support.house import House, prepared_database


def test_a_bug_answers_a_problem_without_details_and_is_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    house = House(prepared_database(tmp_path))
    app = house.app()

    @app.get("/api/v1/broken")
    def broken() -> None:
        raise RuntimeError("secret detail")

    with caplog.at_level(logging.ERROR), TestClient(app) as client:
        answer = client.get("/api/v1/broken", headers={"X-Request-Id": "abc"})
    assert answer.status_code == 500
    body = answer.json()
    assert body["code"] == "INTERNAL_ERROR"
    assert body["requestId"] == answer.headers["X-Request-Id"] == "abc"
    assert body["data"] == []
    assert "secret detail" not in answer.text
    assert [record.name for record in caplog.records] == ["gpu_management.api.errors"]
