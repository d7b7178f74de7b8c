"""Logging in to the dashboard: a cookie stands for a key, and pages of others change nothing."""

from collections.abc import Iterator
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import func, select

from gpu_management.auth import schemas, service
from gpu_management.auth.access import Role
from gpu_management.auth.authenticators import IssuedKeys, MountedKeys
from gpu_management.auth.models import AuditEntry, BrowserSession
from gpu_management.auth.principals import Mode, Security
from gpu_management.auth.sessions import COOKIE, LIFETIME
from tests.support.apps import NOON
from tests.support.house import BROWSER, House
from tests.support.principals import ADMIN

SESSION = "/api/v1/session"
TEAM = {"teamId": "ml", "name": "ML"}


@pytest.fixture
def security(house: House) -> Security:
    return Security(Mode.ENFORCED, authenticators=(IssuedKeys(house.database),))


@pytest.fixture
def client(house: House, security: Security) -> Iterator[TestClient]:
    with house.client(security) as opened:
        opened.headers.update(BROWSER)
        yield opened


def _issue(house: House, role: Role = Role.ADMIN) -> service.IssuedKey:
    asked = schemas.ApiKeyCreate(name="me", roles=[role])
    with house.database.write() as session:
        return service.create_key(session, asked, by=ADMIN, now=NOON)


def _log_in(house: House, client: TestClient, role: Role = Role.ADMIN) -> dict[str, Any]:
    answer = client.post(SESSION, json={"key": _issue(house, role).secret})
    assert answer.status_code == 200, answer.text
    told: dict[str, Any] = answer.json()
    return told


def _csrf(told: dict[str, Any]) -> dict[str, str]:
    return {"X-CSRF-Token": told["csrfToken"]}


def test_before_logging_in_the_session_says_what_to_do(client: TestClient) -> None:
    told = client.get(SESSION).json()
    assert (told["authenticated"], told["loginNeeded"]) == (False, True)
    assert told["anonymous"]
    assert told["csrfToken"] is None
    assert told["permissions"] == []
    assert client.get("/api/v1/gpu/overview").status_code == 401


def test_a_log_in_reads_with_the_cookie_alone(house: House, client: TestClient) -> None:
    told = _log_in(house, client, Role.VIEWER)
    assert told["roles"] == ["VIEWER"]
    assert client.get("/api/v1/gpu/overview").status_code == 200
    assert client.get("/api/v1/admin/teams").status_code == 403
    assert client.get(SESSION).json()["name"] == "me"


def test_the_cookie_cannot_be_read_by_pages_and_stays_on_our_site(
    house: House, client: TestClient
) -> None:
    key = _issue(house)
    cookie = client.post(SESSION, json={"key": key.secret}).headers["set-cookie"]
    assert cookie.startswith(f"{COOKIE}=")
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "Secure" not in cookie
    assert key.secret not in cookie


def test_behind_a_proxy_of_ours_with_tls_the_cookie_is_secure(house: House) -> None:
    proxied = Security(
        Mode.ENFORCED,
        authenticators=(IssuedKeys(house.database),),
        trusted_proxies=(ip_network("192.0.2.0/24"),),
    )
    headers = {"x-forwarded-proto": "https"}
    body = {"key": _issue(house).secret}
    app = house.app(proxied)
    with TestClient(app, client=("192.0.2.1", 1)) as through_proxy:
        assert (
            "Secure"
            in through_proxy.post(SESSION, json=body, headers=headers).headers["set-cookie"]
        )
    with TestClient(app, client=("198.51.100.1", 1)) as claims_it:
        cookie = claims_it.post(SESSION, json=body, headers=headers).headers["set-cookie"]
        assert "Secure" not in cookie


def test_a_change_needs_the_token_of_the_session(house: House, client: TestClient) -> None:
    told = _log_in(house, client)
    assert client.post("/api/v1/admin/teams", json=TEAM).status_code == 403
    wrong = {"X-CSRF-Token": "0" * 64}
    assert client.post("/api/v1/admin/teams", json=TEAM, headers=wrong).status_code == 403
    made = client.post("/api/v1/admin/teams", json=TEAM, headers=_csrf(told))
    assert made.status_code == 201
    assert client.get(SESSION).json()["csrfToken"] == told["csrfToken"]


def test_a_key_in_a_header_needs_no_token(house: House, client: TestClient) -> None:
    headers = {"Authorization": f"Bearer {_issue(house).secret}"}
    assert client.post("/api/v1/admin/teams", json=TEAM, headers=headers).status_code == 201


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_a_page_of_another_site_changes_nothing_even_where_authentication_is_off(
    house: House, site: str
) -> None:
    house.node()
    headers = BROWSER | {"Sec-Fetch-Site": site}
    with house.client() as opened:
        path = "/api/v1/gpu/devices/n1-GPU-00/maintenance"
        assert opened.post(path, json={}, headers=headers).status_code == 403
        ours = headers | {"Sec-Fetch-Site": "same-origin"}
        assert opened.post(path, json={}, headers=ours).status_code == 204
        assert opened.get("/api/v1/gpu/devices", headers=headers).status_code == 200


def test_another_site_cannot_log_anybody_in(house: House, client: TestClient) -> None:
    headers = {"Sec-Fetch-Site": "cross-site"}
    answer = client.post(SESSION, json={"key": _issue(house).secret}, headers=headers)
    assert answer.status_code == 403
    assert "set-cookie" not in answer.headers


def test_a_wrong_key_is_refused_and_after_too_many_slowed_down(client: TestClient) -> None:
    statuses = [client.post(SESSION, json={"key": "gpum_no"}).status_code for _ in range(12)]
    assert statuses[0] == 401
    assert statuses[-1] == 429


def test_logging_out_ends_the_session_at_once(house: House, client: TestClient) -> None:
    told = _log_in(house, client)
    token = client.cookies[COOKIE]
    assert client.delete(SESSION).status_code == 403
    assert client.delete(SESSION, headers=_csrf(told)).status_code == 204
    assert COOKIE not in client.cookies
    stolen = {"Cookie": f"{COOKIE}={token}"}
    assert client.get("/api/v1/gpu/overview", headers=stolen).status_code == 401
    assert client.delete(SESSION).status_code == 204


def test_a_session_ends_after_a_working_day(house: House, client: TestClient) -> None:
    _log_in(house, client)
    token = client.cookies[COOKIE]
    house.clock.forward(seconds=LIFETIME.total_seconds())
    headers = {"Cookie": f"{COOKIE}={token}"}
    assert client.get("/api/v1/gpu/overview", headers=headers).status_code == 401


def test_a_revoked_key_takes_its_sessions_along(house: House, client: TestClient) -> None:
    key = _issue(house)
    client.post(SESSION, json={"key": key.secret})
    assert client.get("/api/v1/gpu/overview").status_code == 200
    with house.database.write() as session:
        service.revoke_key(session, key.row.key_id, by=ADMIN, now=house.now)
    house.clock.forward(seconds=6)
    assert client.get("/api/v1/gpu/overview").status_code == 401


def test_a_mounted_key_opens_a_session_too(house: House, tmp_path: Any) -> None:
    (tmp_path / "operator-api-key").write_text("a-mounted-secret-of-length")
    security = Security(Mode.ENFORCED, authenticators=(MountedKeys(tmp_path),))
    with house.client(security) as client:
        client.post(SESSION, json={"key": "a-mounted-secret-of-length"}).raise_for_status()
        assert client.get("/api/v1/gpu/devices").status_code == 200


def test_logging_in_is_audited_and_sweeps_what_has_expired(
    house: House, client: TestClient
) -> None:
    _log_in(house, client)
    house.clock.forward(seconds=(LIFETIME + timedelta(hours=1)).total_seconds())
    _log_in(house, client)
    with house.database.read() as session:
        assert session.scalar(select(func.count()).select_from(BrowserSession)) == 1
        actions = list(session.scalars(select(AuditEntry.action)))
    assert actions.count("session.open") == 2


def test_without_authentication_nobody_logs_in(house: House) -> None:
    with house.client() as opened:
        told = opened.get(SESSION).json()
        assert (told["authenticated"], told["loginNeeded"]) == (True, False)
        assert "admin" in told["permissions"]
        assert opened.post(SESSION, json={"key": "anything"}).status_code == 409


def test_the_session_tells_what_pages_need_of_the_server(house: House, client: TestClient) -> None:
    told = _log_in(house, client)
    assert not told["anonymous"]
    assert (told["currency"], told["timeZone"], told["clusterName"]) == ("USD", "UTC", "test")
