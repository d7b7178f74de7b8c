from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends
from fastapi.testclient import TestClient

from gpu_management.auth import routes, schemas, service
from gpu_management.auth.access import Permission, Role, roles_of
from gpu_management.auth.authenticators import IssuedKeys
from gpu_management.auth.network import TrustedNetwork
from gpu_management.auth.principals import Mode, Principal, Security
from gpu_management.core.database import Database
from tests.support.apps import NOON, Hands, application
from tests.support.principals import ADMIN

KEYS = "/api/v1/admin/api-keys"
TEAMS = "/api/v1/admin/teams"

ask = APIRouter(prefix="/ask")


def _question(permission: Permission) -> None:
    @ask.get(f"/{permission.value}")
    def answer(principal: Annotated[Principal, Depends(routes.requires(permission))]) -> str:
        return principal.name


for _permission in Permission:
    _question(_permission)


@pytest.fixture
def security(database: Database) -> Security:
    return Security(Mode.ENFORCED, authenticators=(IssuedKeys(database),))


def _client(
    database: Database, clock: Hands, security: Security, *, peer: str = "192.0.2.1"
) -> TestClient:
    app = application(database, routes.router, ask, clock=clock, security=security)
    return TestClient(app, client=(peer, 50000))


@pytest.fixture
def client(database: Database, clock: Hands, security: Security) -> Iterator[TestClient]:
    with _client(database, clock, security) as opened:
        yield opened


def _issue(database: Database, *roles: Role, **changes: Any) -> str:
    team = "ml-team" if Role.USER in roles else None
    asked = schemas.ApiKeyCreate(name="tester", roles=list(roles), team=team, **changes)
    with database.write() as session:
        return service.create_key(session, asked, by=ADMIN, now=NOON).secret


def _bearer(secret: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {secret}"}


@pytest.fixture
def admin(database: Database) -> dict[str, str]:
    return _bearer(_issue(database, Role.ADMIN))


@pytest.mark.parametrize("role", Role)
def test_a_route_lets_in_exactly_the_roles_of_its_permission(
    client: TestClient, database: Database, role: Role
) -> None:
    headers = _bearer(_issue(database, role))
    answers = {p: client.get(f"/ask/{p.value}", headers=headers).status_code for p in Permission}
    assert answers == {p: 200 if role in roles_of(p) else 403 for p in Permission}


def _routes() -> list[tuple[str, str]]:
    return [
        (method, route.path)
        for route in routes.router.routes
        for method in sorted(route.methods - {"HEAD"})
        if not route.path.endswith("/me")
    ]


@pytest.mark.parametrize(("method", "path"), _routes())
@pytest.mark.parametrize("role", [*list(Role)[1:], None, "bad", "expired"])
def test_what_administers_is_for_admins_only(
    client: TestClient, database: Database, clock: Hands, *, method: str, path: str, role: Any
) -> None:
    headers = {}
    if role == "bad":
        headers = _bearer("nobody's")
    elif role == "expired":
        headers = _bearer(_issue(database, Role.ADMIN, expires_at=NOON + timedelta(seconds=1)))
        clock.forward(seconds=1)
    elif role is not None:
        headers = _bearer(_issue(database, role))
    answer = client.request(method, path.format(keyId="x", teamId="x"), headers=headers, json={})
    assert answer.status_code == (403 if role in set(Role) else 401)


def test_without_credentials_the_caller_is_told_how_to_send_them(client: TestClient) -> None:
    answer = client.get("/ask/general.read")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="gpu-management"'
    assert answer.json()["code"] == "UNAUTHENTICATED"
    assert answer.json()["data"] == []


def test_a_bad_credential_is_refused_the_same_whatever_it_looks_like(client: TestClient) -> None:
    bodies = set()
    for secret in ("gpum_x", "eyJhbGciOi.eyJzdWIi.c2ln", "short", "x" * 9000):
        answer = client.get("/ask/general.read", headers=_bearer(secret))
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]
        bodies.add(answer.json()["detail"])
    assert len(bodies) == 1


def test_a_key_also_comes_as_x_api_key(client: TestClient, database: Database) -> None:
    secret = _issue(database, Role.VIEWER)
    assert client.get("/ask/general.read", headers={"X-API-Key": secret}).json() == "tester"


def test_the_eleventh_bad_credential_in_a_minute_waits_but_a_good_one_passes(
    client: TestClient, database: Database
) -> None:
    good = _issue(database, Role.VIEWER)
    answers = [client.get("/ask/general.read", headers=_bearer("bad")) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [401] * 10 + [429]
    assert answers[-1].headers["retry-after"] == "60"
    assert client.get("/ask/general.read", headers=_bearer(good)).status_code == 200


def test_disabled_everybody_may_everything_with_or_without_a_credential(
    database: Database, clock: Hands
) -> None:
    with _client(database, clock, Security(Mode.DISABLED)) as client:
        for headers in ({}, _bearer("whatever")):
            for permission in Permission:
                answer = client.get(f"/ask/{permission.value}", headers=headers)
                assert answer.json() == "anonymous"


def test_anonymous_callers_have_the_roles_that_settings_give_them(
    database: Database, clock: Hands, security: Security
) -> None:
    opened = replace(security, anonymous_roles=frozenset({Role.VIEWER}))
    with _client(database, clock, opened) as client:
        assert client.get("/ask/general.read").status_code == 200
        assert client.get("/ask/mig.write").status_code == 401
        assert client.get("/ask/general.read", headers=_bearer("bad")).status_code == 401


@pytest.mark.parametrize(("peer", "status"), [("10.244.1.7", 200), ("192.0.2.1", 401)])
def test_a_trusted_network_needs_no_credential(
    database: Database, clock: Hands, security: Security, *, peer: str, status: int
) -> None:
    pods = TrustedNetwork(ip_network("10.244.0.0/16"), frozenset({Role.OPERATOR}))
    opened = replace(security, trusted_networks=(pods,))
    with _client(database, clock, opened, peer=peer) as client:
        told = {"X-Forwarded-For": "10.244.1.7"}
        assert client.get("/ask/allocations.write", headers=told).status_code == status


def test_the_device_list_opens_to_viewers_by_setting(
    database: Database, clock: Hands, security: Security
) -> None:
    headers = _bearer(_issue(database, Role.VIEWER))
    for readable, status in ((False, 403), (True, 200)):
        with _client(database, clock, replace(security, devices_readable=readable)) as client:
            assert client.get("/ask/devices.list", headers=headers).status_code == status


def test_a_refused_caller_is_remembered_for_the_audit_log(
    client: TestClient, database: Database, security: Security
) -> None:
    client.get("/ask/mig.write", headers=_bearer(_issue(database, Role.VIEWER)))
    refusal = security.refusals[0]
    assert (refusal.action, refusal.target) == ("mig.write", "/ask/mig.write")
    assert refusal.principal.source_address == "192.0.2.1"


def test_i_am_told_who_i_am_and_what_i_may_do(client: TestClient, database: Database) -> None:
    me = client.get("/api/v1/auth/me", headers=_bearer(_issue(database, Role.USER))).json()
    assert (me["name"], me["kind"], me["roles"], me["team"]) == (
        "tester",
        "api-key",
        ["USER"],
        "ml-team",
    )
    assert "allocations.write" in me["permissions"]
    assert "mig.write" not in me["permissions"]
    assert me["seesAllTeams"] is False


def test_a_key_is_shown_once_and_works_until_it_is_revoked(
    client: TestClient, admin: dict[str, str]
) -> None:
    answer = client.post(KEYS, headers=admin, json={"name": "ci", "roles": ["ROLE_operator"]})
    assert answer.status_code == 201
    assert answer.headers["cache-control"] == "no-store"
    issued = answer.json()
    assert client.get("/ask/mig.write", headers=_bearer(issued["key"])).json() == "ci"

    listed = client.get(KEYS, headers=admin).json()
    assert "key" not in listed[0]
    assert {key["name"] for key in listed} == {"tester", "ci"}

    revoked = client.delete(f"{KEYS}/{issued['keyId']}", headers=admin)
    assert revoked.json()["revokedAt"] == "2026-03-02T12:00:00.000Z"
    assert client.get("/ask/mig.write", headers=_bearer(issued["key"])).status_code == 401


def test_a_rotated_key_works_beside_the_old_one_for_the_grace(
    client: TestClient, admin: dict[str, str], clock: Hands
) -> None:
    old = client.post(KEYS, headers=admin, json={"name": "ci", "roles": ["VIEWER"]}).json()
    rotate = f"{KEYS}/{old['keyId']}/rotate"
    new = client.post(rotate, headers=admin, json={"graceSeconds": 60}).json()
    assert new["prefix"] != old["prefix"]
    for moment, expected in ((0, 200), (60, 401)):
        clock.forward(seconds=moment)
        found = client.get("/ask/general.read", headers=_bearer(old["key"]))
        assert found.status_code == expected
    assert client.get("/ask/general.read", headers=_bearer(new["key"])).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"name": "x", "roles": []},
        {"name": "x", "roles": ["KING"]},
        {"name": "a\nb", "roles": ["ADMIN"]},
        {"name": "x", "roles": ["USER"]},
        {"name": "x", "roles": ["ADMIN"], "expiresAt": "2020-01-01T00:00:00Z"},
        {"name": "x", "roles": ["ADMIN"], "expiresAt": "2030-01-01T00:00:00"},
        {"name": "x", "roles": ["ADMIN"], "expiresAt": "0001-01-01T00:00:00+14:00"},
        {"name": "x", "roles": ["ADMIN"], "team": "../etc"},
    ],
)
def test_a_key_that_makes_no_sense_is_refused_by_name_of_the_field(
    client: TestClient, admin: dict[str, str], body: dict[str, Any]
) -> None:
    answer = client.post(KEYS, headers=admin, json=body)
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"]


def test_teams_come_change_and_go(client: TestClient, admin: dict[str, str]) -> None:
    made = client.post(TEAMS, headers=admin, json={"teamId": "ml-team", "name": "ML"})
    assert made.status_code == 201
    assert made.json()["gpuLimitMilli"] is None
    changed = client.put(
        f"{TEAMS}/ml-team", headers=admin, json={"name": "ML", "gpuLimitMilli": 16000}
    )
    assert changed.json()["gpuLimitMilli"] == 16000
    assert client.get(f"{TEAMS}/ml-team", headers=admin).json()["version"] == 2
    assert client.delete(f"{TEAMS}/ml-team", headers=admin).status_code == 204
    assert client.get(f"{TEAMS}/ml-team", headers=admin).status_code == 404
    assert client.get(TEAMS, headers=admin).json() == []


def test_the_audit_log_says_who_did_what_from_where_newest_first(
    client: TestClient, admin: dict[str, str]
) -> None:
    client.post(TEAMS, headers=admin, json={"teamId": "ml-team", "name": "ML"})
    entries = client.get("/api/v1/admin/audit", headers=admin).json()
    assert [entry["action"] for entry in entries] == ["team.create", "apikey.create"]
    assert entries[0]["sourceAddress"] == "192.0.2.1"
    assert entries[0]["after"]["teamId"] == "ml-team"

    filtered = client.get("/api/v1/admin/audit?targetKind=apikey&limit=1", headers=admin)
    assert [entry["action"] for entry in filtered.json()] == ["apikey.create"]
    assert filtered.headers["x-total-count"] == "1"
    assert client.get("/api/v1/admin/audit?since=2026-03-03T00:00:00Z", headers=admin).json() == []


def test_the_audit_log_exports_as_csv(client: TestClient, admin: dict[str, str]) -> None:
    answer = client.get("/api/v1/admin/audit?format=csv", headers=admin)
    assert answer.headers["content-type"].startswith("text/csv")
    assert "apikey.create" in answer.text


def test_every_route_has_a_name_a_summary_and_its_problems(client: TestClient) -> None:
    for path in client.app.openapi()["paths"].items():  # type: ignore[attr-defined]
        if not path[0].startswith("/api/"):
            continue
        for operation in path[1].values():
            assert operation["summary"]
            assert "_" not in operation["operationId"]
            assert {"401", "403", "422"} <= set(operation["responses"])
