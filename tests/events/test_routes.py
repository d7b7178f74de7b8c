import json
import socket
import threading
import time
from collections.abc import Iterator

import httpx2
import pytest
import uvicorn
from fastapi.testclient import TestClient

from gpu_management.auth import schemas
from gpu_management.auth import service as auth
from gpu_management.auth.access import Role
from gpu_management.auth.authenticators import IssuedKeys
from gpu_management.auth.principals import Mode, Security
from gpu_management.core.database import Database
from gpu_management.events.routes import router
from gpu_management.events.stream import Broadcaster
from tests.support.apps import NOON, Hands, application
from tests.support.events import say
from tests.support.principals import ADMIN

STREAM = "/api/v1/gpu/events"
HISTORY = f"{STREAM}/history"


def _bearer(database: Database, role: Role, team: str | None = None) -> dict[str, str]:
    asked = schemas.ApiKeyCreate(name="listener", roles=[role], team=team)
    with database.write() as session:
        secret = auth.create_key(session, asked, by=ADMIN, now=NOON).secret
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
def client(database: Database, clock: Hands) -> Iterator[TestClient]:
    security = Security(Mode.ENFORCED, authenticators=(IssuedKeys(database),))
    with TestClient(application(database, router, clock=clock, security=security)) as opened:
        yield opened


@pytest.fixture
def address(database: Database, clock: Hands) -> Iterator[str]:
    """Serve the stream on a real socket: a test client would wait for its end."""
    security = Security(Mode.ENFORCED, authenticators=(IssuedKeys(database),))
    app = application(database, router, clock=clock, security=security)
    app.state.event_stream = Broadcaster(database, clock, poll_seconds=0.02)
    listening = socket.socket()
    listening.bind(("127.0.0.1", 0))
    server = uvicorn.Server(
        uvicorn.Config(app, log_level="critical", timeout_graceful_shutdown=1, lifespan="off")
    )
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield f"http://127.0.0.1:{listening.getsockname()[1]}"
    server.should_exit = True
    thread.join(timeout=10)
    listening.close()


def _write(database: Database, kind: str, team: str | None = None) -> None:
    with database.write() as session:
        say(session, kind, team=team)


def test_the_stream_resumes_after_the_last_event_id_and_carries_number_type_and_body(
    database: Database, address: str
) -> None:
    headers = _bearer(database, Role.USER, team="ml") | {"Last-Event-ID": "1"}
    _write(database, "a.seen", team="ml")
    _write(database, "allocation.created", team="other")
    _write(database, "allocation.created", team="ml")
    _write(database, "device.failure")
    with httpx2.stream("GET", address + STREAM, headers=headers, timeout=10) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        events = []
        while len(events) < 2:
            line = next(lines)
            if line.startswith("data: "):
                events.append(json.loads(line[6:]))
            elif line.startswith(("event: ", "id: ")):
                assert line in {
                    "event: allocation.created",
                    "id: 3",
                    "event: device.failure",
                    "id: 4",
                }
    assert [(event["id"], event["type"], event["team"]) for event in events] == [
        (3, "allocation.created", "ml"),
        (4, "device.failure", None),
    ]
    assert events[0]["createdAt"] == "2026-03-02T12:00:00.000Z"


@pytest.mark.parametrize("path", [STREAM, HISTORY])
def test_events_need_a_role(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 401


def test_a_wrong_type_is_refused_before_the_stream_starts(
    client: TestClient, database: Database
) -> None:
    answer = client.get(STREAM, params={"types": "*.x"}, headers=_bearer(database, Role.VIEWER))
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "types"


@pytest.mark.parametrize(
    ("role", "team", "seen"),
    [
        (Role.OPERATOR, None, ["a.other", "a.ml", "a.fleet"]),
        (Role.USER, "ml", ["a.ml", "a.fleet"]),
        (Role.VIEWER, None, ["a.fleet"]),
        (Role.FINANCE, None, ["a.fleet"]),
    ],
)
def test_history_shows_a_team_itself_and_the_fleet(
    client: TestClient, database: Database, *, role: Role, team: str | None, seen: list[str]
) -> None:
    for kind, owner in (("a.other", "other"), ("a.ml", "ml"), ("a.fleet", None)):
        _write(database, kind, owner)
    answer = client.get(HISTORY, params={"sort": "id"}, headers=_bearer(database, role, team))
    assert [event["type"] for event in answer.json()] == seen
    assert answer.headers["x-total-count"] == str(len(seen))


def test_history_filters_by_type_and_moment(client: TestClient, database: Database) -> None:
    headers = _bearer(database, Role.ADMIN)
    _write(database, "allocation.created")
    _write(database, "device.failure")
    asked = {"types": "device.*", "since": "2026-03-02T12:00:00Z"}
    found = client.get(HISTORY, params=asked, headers=headers).json()
    assert [event["type"] for event in found] == ["device.failure"]
    asked["since"] = "2026-03-02T12:00:01Z"
    assert client.get(HISTORY, params=asked, headers=headers).json() == []
