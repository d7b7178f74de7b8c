"""Every operation of the document with every role: who may call it (SEC-01, D-07, D-08)."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from ipaddress import ip_network
from typing import Any

import pytest
from fastapi.testclient import TestClient

from gpu_management.auth import schemas, service
from gpu_management.auth.access import Permission, Role, roles_of
from gpu_management.auth.authenticators import IssuedKeys
from gpu_management.auth.network import TrustedNetwork
from gpu_management.auth.principals import Mode, Security
from tests.support.apps import NOON
from tests.support.house import BROWSER, House
from tests.support.principals import ADMIN

P = Permission
NEEDED: dict[str, Permission | None] = {
    "listNodeResources": P.GENERAL_READ,
    "listPodResources": P.GENERAL_READ,
    "listNamespaceResources": P.GENERAL_READ,
    "getResourceSummary": P.GENERAL_READ,
    "getOverview": P.OVERVIEW_READ,
    "getStatistics": P.GENERAL_READ,
    "listDevices": P.DEVICES_LIST,
    "registerDevice": P.DEVICES_WRITE,
    "getDevice": P.DEVICES_READ,
    "updateDevice": P.DEVICES_WRITE,
    "deleteDevice": P.DEVICES_WRITE,
    "getDeviceHealth": P.DEVICES_READ,
    "getDeviceHistory": P.DEVICES_READ,
    "setDeviceState": P.DEVICES_WRITE,
    "startMaintenance": P.DEVICES_WRITE,
    "endMaintenance": P.DEVICES_WRITE,
    "listNodes": P.GENERAL_READ,
    "getNode": P.GENERAL_READ,
    "updateNode": P.DEVICES_WRITE,
    "startNodeMaintenance": P.DEVICES_WRITE,
    "endNodeMaintenance": P.DEVICES_WRITE,
    "listWorkloadProfiles": P.GENERAL_READ,
    "searchEverything": P.GENERAL_READ,
    "getFirstScreen": P.OVERVIEW_READ,
    "getMigScreen": P.MIG_READ,
    "listModels": P.GENERAL_READ,
    "getModel": P.GENERAL_READ,
    "createModel": P.DEVICES_WRITE,
    "listMigDevices": P.MIG_READ,
    "listMigInstances": P.MIG_READ,
    "getMigInstance": P.MIG_READ,
    "listMigProfiles": P.MIG_READ,
    "getMigHistory": P.DEVICES_READ,
    "destroyMigInstance": P.MIG_WRITE,
    "enableMig": P.MIG_WRITE,
    "disableMig": P.MIG_WRITE,
    "createMigInstance": P.MIG_WRITE,
    "applyMigLayout": P.MIG_WRITE,
    "planMigRepacking": P.MIG_WRITE,
    "getMigFragmentation": P.MIG_READ,
    "createMigPlan": P.MIG_WRITE,
    "approveMigPlan": P.MIG_WRITE,
    "pauseMigPlan": P.MIG_WRITE,
    "resumeMigPlan": P.MIG_WRITE,
    "cancelMigPlan": P.MIG_WRITE,
    "listMigPlans": P.MIG_READ,
    "getMigPlan": P.MIG_READ,
    "listMigLayouts": P.MIG_READ,
    "reportMigNode": P.MIG_CUT,
    "listAllocations": P.ALLOCATIONS_READ,
    "getAllocation": P.ALLOCATIONS_READ,
    "createAllocation": P.ALLOCATIONS_WRITE,
    "simulateAllocation": P.ALLOCATIONS_WRITE,
    "createAllocations": P.ALLOCATIONS_WRITE,
    "releaseAllocation": P.ALLOCATIONS_WRITE,
    "extendAllocation": P.ALLOCATIONS_WRITE,
    "getCostAnalysis": P.COST_READ,
    "getOwnCost": P.OWN_COST_READ,
    "getCostBy": P.COST_READ,
    "getOwnCostBy": P.OWN_COST_READ,
    "getAllocationCost": P.OWN_COST_READ,
    "getLedgerBuckets": P.COST_READ,
    "getDeviceLedger": P.COST_READ,
    "correctHold": P.BILLING_WRITE,
    "listRates": P.COST_READ,
    "setRate": P.RATES_WRITE,
    "withdrawRate": P.RATES_WRITE,
    "listUnpriced": P.COST_READ,
    "quoteRate": P.COST_READ,
    "calculateRate": P.COST_READ,
    "getOpenCostAllocation": P.COST_READ,
    "getOpenCostSummary": P.COST_READ,
    "listBudgets": P.OWN_COST_READ,
    "createBudget": P.BILLING_WRITE,
    "getBudget": P.OWN_COST_READ,
    "updateBudget": P.BILLING_WRITE,
    "deleteBudget": P.BILLING_WRITE,
    "listBudgetNotices": P.OWN_COST_READ,
    "listStatements": P.COST_READ,
    "listOwnStatements": P.OWN_COST_READ,
    "getMonthStatement": P.COST_READ,
    "getTeamStatement": P.OWN_COST_READ,
    "closeMonth": P.BILLING_WRITE,
    "ingestMetrics": P.GENERAL_WRITE,
    "getLatestMetrics": P.GENERAL_READ,
    "queryMetrics": P.GENERAL_READ,
    "getTopMetrics": P.GENERAL_READ,
    "getIdleDevices": P.GENERAL_READ,
    "listSuggestions": P.GENERAL_READ,
    "getSuggestion": P.GENERAL_READ,
    "dismissSuggestion": P.ALLOCATIONS_WRITE,
    "applySuggestion": P.ALLOCATIONS_WRITE,
    "listIdleExemptions": P.GENERAL_READ,
    "createIdleExemption": P.ALLOCATIONS_WRITE,
    "deleteIdleExemption": P.ALLOCATIONS_WRITE,
    "listDeviceHealth": P.DEVICES_READ,
    "listAlerts": P.GENERAL_READ,
    "getAlert": P.GENERAL_READ,
    "acknowledgeAlert": P.GENERAL_WRITE,
    "listAlertRules": P.GENERAL_READ,
    "listSilences": P.GENERAL_READ,
    "getSilence": P.GENERAL_READ,
    "createSilence": P.GENERAL_WRITE,
    "updateSilence": P.GENERAL_WRITE,
    "endSilence": P.GENERAL_WRITE,
    "listEvents": P.GENERAL_READ,
    "listNotificationChannels": P.GENERAL_WRITE,
    "createNotificationChannel": P.ADMIN,
    "getNotificationChannel": P.GENERAL_WRITE,
    "updateNotificationChannel": P.ADMIN,
    "deleteNotificationChannel": P.ADMIN,
    "testNotificationChannel": P.ADMIN,
    "replayNotificationChannel": P.ADMIN,
    "listNotificationDeliveries": P.GENERAL_WRITE,
    "getNotificationDelivery": P.GENERAL_WRITE,
    "replayNotificationDelivery": P.ADMIN,
    "receiveAlertmanager": P.GENERAL_WRITE,
    "getMe": P.GENERAL_READ,
    "listApiKeys": P.ADMIN,
    "createApiKey": P.ADMIN,
    "rotateApiKey": P.ADMIN,
    "revokeApiKey": P.ADMIN,
    "listAudit": P.ADMIN,
    "listSettings": P.ADMIN,
    "listTeams": P.ADMIN,
    "createTeam": P.ADMIN,
    "getTeam": P.ADMIN,
    "updateTeam": P.ADMIN,
    "deleteTeam": P.ADMIN,
    "getHealth": None,
    "getLiveness": None,
    "getReadiness": None,
    "getInfo": P.GENERAL_READ,
    "getMetrics": None,
    "listMetrics": None,
}
STREAMS = {"streamEvents"}
"""Never ends; its access is proved with the events."""
SESSIONS = {"getSession", "logIn", "logOut"}
"""For those who have no credentials yet; proved with the sessions."""

NOBODY = {"none": {}, "bad": {"Authorization": "Bearer gpum_nobody"}}


@pytest.fixture
def security(house: House) -> Security:
    return Security(Mode.ENFORCED, authenticators=(IssuedKeys(house.database),))


@pytest.fixture
def guarded(house: House, security: Security) -> Iterator[TestClient]:
    house.node(labels={})
    with house.client(security) as opened:
        yield opened


def _key(house: House, role: Role, **changes: Any) -> dict[str, str]:
    team = "ml-team" if role is Role.USER else None
    asked = schemas.ApiKeyCreate(name=role.value, roles=[role], team=team, **changes)
    with house.database.write() as session:
        secret = service.create_key(session, asked, by=ADMIN, now=NOON).secret
    return {"Authorization": f"Bearer {secret}"}


def _operations(client: TestClient) -> Iterator[tuple[str, str, str]]:
    document = client.app.openapi()  # type: ignore[attr-defined]
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            filled = path.replace("{deviceId}", "n1-GPU-00").replace("{nodeName}", "n1")
            yield operation["operationId"], method.upper(), _any(filled)


def _any(path: str) -> str:
    head, _, tail = path.partition("{")
    return f"{head}x{_any(tail.partition('}')[2])}" if tail else path


def test_every_operation_has_its_place_in_the_table(guarded: TestClient) -> None:
    assert {name for name, *_ in _operations(guarded)} == set(NEEDED) | STREAMS | SESSIONS


@pytest.mark.parametrize("role", Role)
def test_a_role_reaches_exactly_what_the_access_table_gives_it(
    house: House, guarded: TestClient, role: Role
) -> None:
    headers = BROWSER | _key(house, role)
    wrong = []
    for name, method, path in _operations(guarded):
        if name in STREAMS | SESSIONS:
            continue
        answer = guarded.request(method, path, headers=headers, json={})
        needed = NEEDED[name]
        may = needed is None or role in roles_of(needed)
        if (answer.status_code == 403) == may or answer.status_code in {401, 500}:
            wrong.append((name, answer.status_code, answer.text[:100]))
        if not may:
            assert answer.json()["data"] == []
            assert answer.json()["code"] == "FORBIDDEN"
    assert not wrong


@pytest.mark.parametrize("who", ["none", "bad", "expired"])
def test_nobody_reaches_anything_but_health_and_metrics(
    house: House, guarded: TestClient, who: str
) -> None:
    if who == "expired":
        headers = _key(house, Role.ADMIN, expires_at=NOON + timedelta(seconds=1))
        house.clock.forward(seconds=1)
    else:
        headers = NOBODY[who]
    wrong = []
    for name, method, path in _operations(guarded):
        if name in SESSIONS:
            continue
        if NEEDED.get(name, P.GENERAL_READ) is None:
            assert guarded.request(method, path, headers=headers).status_code == 200
            continue
        answer = guarded.request(method, path, headers=headers, json={})
        if answer.status_code not in {401, 429} or answer.json()["data"] != []:
            wrong.append((name, answer.status_code))
        if answer.status_code == 401:
            assert answer.headers["www-authenticate"].startswith("Bearer")
    assert not wrong


def test_the_device_list_alone_opens_to_users_and_viewers_by_setting(
    house: House, security: Security
) -> None:
    house.node()
    opened = replace(security, devices_readable=True)
    with house.client(opened) as client:
        for role in (Role.USER, Role.VIEWER):
            headers = _key(house, role)
            assert client.get("/api/v1/gpu/devices", headers=headers).status_code == 200
            detail = client.get("/api/v1/gpu/devices/n1-GPU-00", headers=headers)
            assert detail.status_code == 403
            assert len(client.get("/api/v1/gpu/nodes/n1", headers=headers).json()["devices"]) == 1


def test_a_node_shows_its_devices_to_whoever_may_list_devices(
    house: House, guarded: TestClient
) -> None:
    for role in Role:
        shown = guarded.get("/api/v1/gpu/nodes/n1", headers=_key(house, role)).json()
        assert len(shown["devices"]) == (1 if role in roles_of(P.DEVICES_LIST) else 0)
        assert shown["gpuCount"] == 1


def test_a_trusted_network_grants_its_roles_and_nothing_more(house: House) -> None:
    network = TrustedNetwork(ip_network("192.0.2.0/24"), frozenset({Role.OPERATOR}))
    security = Security(Mode.ENFORCED, trusted_networks=(network,))
    app = house.app(security)
    with TestClient(app, client=("192.0.2.7", 1)) as inside:
        assert inside.get("/api/v1/gpu/devices").status_code == 200
        assert inside.get("/api/v1/admin/teams").status_code == 401
    with TestClient(app, client=("198.51.100.7", 1)) as outside:
        forged = {"X-Forwarded-For": "192.0.2.7"}
        assert outside.get("/api/v1/gpu/devices", headers=forged).status_code == 401


def test_a_team_sees_its_own_allocations_and_who_holds_what_of_its_own(
    house: House, guarded: TestClient
) -> None:
    house.node("n2", gpus=2)
    mine, theirs = house.request(team_id="ml-team"), house.request(team_id="other")
    user = BROWSER | _key(house, Role.USER)
    listed = guarded.get("/api/v1/gpu/allocations", headers=user)
    assert [row["allocationId"] for row in listed.json()] == [mine.allocation_id]
    assert listed.headers["x-total-count"] == "1"
    for method in ("GET", "DELETE"):
        path = f"/api/v1/gpu/allocations/{theirs.allocation_id}"
        assert guarded.request(method, path, headers=user).status_code == 404
    cost = guarded.get("/api/v1/gpu/me/cost", headers=user)
    assert cost.status_code == 200
    operator = BROWSER | _key(house, Role.OPERATOR)
    assert len(guarded.get("/api/v1/gpu/allocations", headers=operator).json()) == 2


def test_metrics_can_be_closed(house: House, security: Security) -> None:
    with house.client(security, metrics_public=False) as client:
        assert client.get("/metrics").status_code == 401
        assert client.get("/actuator/health").status_code == 200
        assert client.get("/metrics", headers=_key(house, Role.VIEWER)).status_code == 200


def test_the_start_page_tells_about_the_fleet_only_where_everybody_may_see_it(
    house: House, guarded: TestClient
) -> None:
    assert "GPUs on" not in guarded.get("/").text
    with house.client() as opened:
        assert "GPUs on" in opened.get("/").text
