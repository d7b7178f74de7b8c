from pathlib import Path

import pytest
from fastapi import APIRouter
from fastapi.testclient import TestClient
from pydantic import BaseModel
from sqlalchemy import func, select

from gpu_management.core.database import Database
from gpu_management.core.http import Runtime, WireRoute, WriteSession, in_its_turn
from gpu_management.core.problems import Conflict
from gpu_management.devices.models import Cluster
from tests.support.apps import NOON, Hands, application, fresh_database


class Told(BaseModel):
    """What a route answers; made from an object that is read when the answer is written."""

    model_config = {"from_attributes": True}
    clusters: int
    turns_free: int


class Late:
    """Looks at the database, and at the writers' turn, when its answer is written."""

    def __init__(self, serving: Runtime) -> None:
        self._serving = serving

    @property
    def clusters(self) -> int:
        with self._serving.database.read() as session:
            return session.scalar(select(func.count(Cluster.name))) or 0

    @property
    def turns_free(self) -> int:
        return self._serving.write_gate.value


class Desk:
    """An application that writes, and how many rows it has."""

    def __init__(self, database: Database) -> None:
        router = APIRouter(route_class=WireRoute)

        @router.post("/clusters/{name}", response_model=Told)
        def add(name: str, session: WriteSession) -> object:
            session.add(Cluster(name=name, revision=0, created_at=NOON))
            if name == "refused":
                raise Conflict("no")
            return Late(self.app.state.runtime)

        self.app = application(database, router, clock=Hands())
        self.client = TestClient(self.app, raise_server_exceptions=False)

    def add(self, name: str) -> tuple[int, dict[str, object]]:
        answer = self.client.post(f"/clusters/{name}")
        return answer.status_code, answer.json() if answer.status_code < 500 else {}


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(fresh_database(tmp_path))


def test_a_write_is_committed_and_its_turn_given_back_before_its_answer_is_written(
    desk: Desk,
) -> None:
    status, told = desk.add("a")
    assert status == 200
    assert (told["clusters"], told["turns_free"]) == (1, 1)


def test_a_route_that_raises_keeps_nothing_and_gives_its_turn_back(desk: Desk) -> None:
    assert desk.add("refused")[0] == 409
    assert desk.add("a")[1]["clusters"] == 1


def test_a_commit_that_fails_is_no_answer(desk: Desk) -> None:
    assert desk.add("a")[0] == 200
    assert desk.add("a")[0] == 500
    assert desk.add("b")[1]["clusters"] == 2


def test_only_what_asks_for_a_session_to_write_takes_a_turn() -> None:
    def plain() -> None:
        """Ask for nothing."""

    def writes(session: WriteSession) -> None:
        """Ask for a session."""

    wrapped = in_its_turn(writes)
    assert in_its_turn(plain) is plain
    assert wrapped is not writes
    assert in_its_turn(wrapped) is wrapped
