"""Every operation of the API has its command."""

import json
from pathlib import Path

from gpu_management.cli.lazy import load
from tests.support.cli import gpuctl
from tests.support.server import LiveServer

BY_MACHINES = {"ingestMetrics", "receiveAlertmanager", "reportMigNode"}
"""What only programs call: the collectors of the nodes."""
BY_BROWSERS = {
    "getSession",
    "logIn",
    "logOut",
    "searchEverything",
    "getFirstScreen",
    "getMigScreen",
}
"""What only the dashboard asks."""
COMMANDS = {
    "listNotificationChannels": "notifications list",
    "createNotificationChannel": "notifications add",
    "getNotificationChannel": "notifications get",
    "updateNotificationChannel": "notifications update",
    "deleteNotificationChannel": "notifications remove",
    "testNotificationChannel": "notifications test",
    "replayNotificationChannel": "notifications replay",
    "listNotificationDeliveries": "notifications log",
    "getNotificationDelivery": "notifications test",
    "replayNotificationDelivery": "notifications replay",
    "acknowledgeAlert": "alerts ack",
    "createSilence": "alerts silences create",
    "endSilence": "alerts silences end",
    "getAlert": "alerts get",
    "getSilence": "alerts silences get",
    "listAlertRules": "alerts rules",
    "listAlerts": "alerts list",
    "listDeviceHealth": "metrics health",
    "listSilences": "alerts silences list",
    "updateSilence": "alerts silences update",
    "listNodeResources": "resources nodes",
    "listPodResources": "resources pods",
    "listNamespaceResources": "resources namespaces",
    "getResourceSummary": "resources summary",
    "applyMigLayout": "mig layout apply",
    "createAllocation": "allocations request",
    "createAllocations": "allocations bulk",
    "createApiKey": "keys create",
    "createMigInstance": "mig create",
    "closeMonth": "statements close",
    "createBudget": "budgets create",
    "createModel": "models add",
    "createTeam": "teams create",
    "deleteBudget": "budgets delete",
    "deleteDevice": "devices delete",
    "deleteTeam": "teams delete",
    "destroyMigInstance": "mig destroy",
    "disableMig": "mig disable",
    "enableMig": "mig enable",
    "endMaintenance": "devices maintenance end",
    "endNodeMaintenance": "nodes uncordon",
    "extendAllocation": "allocations extend",
    "getAllocation": "allocations get",
    "getBudget": "budgets get",
    "correctHold": "costs correct",
    "getAllocationCost": "costs allocation",
    "getCostAnalysis": "costs analysis",
    "getCostBy": "costs by",
    "getDeviceLedger": "costs gpu",
    "getLedgerBuckets": "costs buckets",
    "getOwnCostBy": "costs by",
    "getDevice": "devices get",
    "getDeviceHealth": "devices health",
    "getDeviceHistory": "devices history",
    "getMe": "whoami",
    "getLatestMetrics": "metrics latest",
    "getTopMetrics": "metrics top",
    "queryMetrics": "metrics query",
    "createMigPlan": "mig plans create",
    "approveMigPlan": "mig plans approve",
    "pauseMigPlan": "mig plans pause",
    "resumeMigPlan": "mig plans resume",
    "cancelMigPlan": "mig plans cancel",
    "listMigPlans": "mig plans list",
    "getMigPlan": "mig plans show",
    "getIdleDevices": "metrics idle",
    "listSuggestions": "suggestions list",
    "getSuggestion": "suggestions get",
    "dismissSuggestion": "suggestions dismiss",
    "applySuggestion": "suggestions apply",
    "listIdleExemptions": "suggestions exemptions",
    "createIdleExemption": "suggestions exempt",
    "deleteIdleExemption": "suggestions unexempt",
    "getMigHistory": "mig layout history",
    "getMigFragmentation": "mig fragmentation",
    "listMigLayouts": "mig layout legal",
    "planMigRepacking": "mig preview",
    "getMigInstance": "mig instances",
    "getModel": "models get",
    "getMonthStatement": "statements show",
    "getNode": "nodes get",
    "getOverview": "overview",
    "getOwnCost": "costs analysis",
    "getStatistics": "devices statistics",
    "getTeam": "teams get",
    "getTeamStatement": "statements show",
    "listAllocations": "allocations list",
    "listApiKeys": "keys list",
    "listAudit": "audit list",
    "listSettings": "settings list",
    "listBudgetNotices": "budgets notices",
    "listBudgets": "budgets list",
    "listDevices": "devices list",
    "listEvents": "events",
    "listMigDevices": "mig devices",
    "listMigInstances": "mig instances",
    "listMigProfiles": "mig profiles",
    "listModels": "models list",
    "listNodes": "nodes list",
    "listRates": "rates list",
    "listStatements": "statements list",
    "listOwnStatements": "statements list",
    "listTeams": "teams list",
    "listWorkloadProfiles": "workloads",
    "registerDevice": "devices register",
    "releaseAllocation": "allocations release",
    "revokeApiKey": "keys revoke",
    "rotateApiKey": "keys rotate",
    "setDeviceState": "devices state",
    "setRate": "rates set",
    "withdrawRate": "rates withdraw",
    "listUnpriced": "rates unpriced",
    "quoteRate": "rates quote",
    "calculateRate": "rates calculate",
    "simulateAllocation": "allocations simulate",
    "startMaintenance": "devices maintenance start",
    "startNodeMaintenance": "nodes cordon",
    "streamEvents": "events",
    "updateBudget": "budgets update",
    "updateDevice": "devices update",
    "updateNode": "nodes update",
    "updateTeam": "teams update",
}


def test_every_operation_of_the_api_has_a_command(live: LiveServer) -> None:
    paths = live.ask("GET", "/openapi.json")["paths"]
    offered = {
        operation["operationId"]
        for path, methods in paths.items()
        for operation in methods.values()
        if path.startswith("/api/")
    }
    assert offered == set(COMMANDS) | BY_MACHINES | BY_BROWSERS


def test_every_command_named_there_exists() -> None:
    for words in set(COMMANDS.values()):
        first, *rest = words.split()
        found = load(first)
        for word in rest:
            found = found.commands.get(word)
            assert found, words


def test_the_later_ones_answer(live: LiveServer) -> None:
    assert "OK" in gpuctl(live, "devices", "health", "gpu-worker-1-GPU-00").out
    assert "byModel" in gpuctl(live, "devices", "statistics").out
    assert "TOTAL" in gpuctl(live, "costs", "analysis", "--mine").out
    added = gpuctl(live, "models", "add", "rtx-test", "--name", "RTX Test", "-g", "24")
    assert added.out == "rtx-test added (RTX Test)\n"


def test_several_are_taken_from_a_file(live: LiveServer, tmp_path: Path) -> None:
    file = tmp_path / "requests.json"
    one = {"namespace": "bulk", "podName": "p", "workloadType": "Training", "requiredMemoryGb": 40}
    file.write_text(json.dumps([one, one]))
    made = gpuctl(live, "allocations", "bulk", str(file), "-o", "json").json
    assert len(made) == 2
    assert gpuctl(live, "release", *(m["allocationId"] for m in made)).code == 0
    assert gpuctl(live, "allocations", "bulk", str(tmp_path / "none")).code == 2


def test_kinds_of_work_and_list_prices_are_shown(live: LiveServer) -> None:
    assert "Training" in gpuctl(live, "workloads").out
    rates = gpuctl(live, "rates", "list").out
    assert "always" in rates
    assert "y ago" not in rates


def test_one_slice_is_shown(live: LiveServer) -> None:
    device = "cli-sliced-GPU-00"  # its own: other tests take what the fleet has
    told = {"nodeName": "cli-sliced", "deviceIndex": 0, "modelId": "a100-sxm4-80gb"}
    live.ask("POST", "/api/v1/gpu/devices", told | {"migEnabled": True})
    assert gpuctl(live, "mig", "create", device, "1g.10gb", "--start", "6").code == 0
    name = f"{device}-MIG-1g.10gb-6"
    assert name in gpuctl(live, "mig", "instances", name).out
    assert gpuctl(live, "mig", "destroy", name).code == 0
    assert gpuctl(live, "mig", "instances", name).code == 1
    assert gpuctl(live, "devices", "delete", device).code == 0


def test_a_repacking_is_previewed(live: LiveServer) -> None:
    ran = gpuctl(live, "mig", "preview", "--demand", "1g.10gb=1")
    assert ran.code == 0, ran.err
    assert "no plan is better" in ran.out
    assert "optimal" in gpuctl(live, "mig", "preview", "--demand", "1g.10gb=1", "-o", "json").json
    assert gpuctl(live, "mig", "preview", "--demand", "1g.10gb").code == 2
    assert "AFTER A REPACK" in gpuctl(live, "mig", "fragmentation").out
    assert "7 x 1g.10gb" in gpuctl(live, "mig", "layout", "legal", "h100-sxm5-80gb").out


def test_what_gpus_do_is_shown(live: LiveServer) -> None:
    assert "does gpu-collector run" in gpuctl(live, "metrics", "latest").err
    assert gpuctl(live, "metrics", "query", "--by", "team", "-m", "powerW").code == 0
    assert gpuctl(live, "metrics", "top", "--lowest", "-n", "3").code == 0
    assert gpuctl(live, "metrics", "query", "--step", "1").code == 2
    assert "no GPU is held and idle" in gpuctl(live, "metrics", "idle").err
