from pathlib import Path

from gpu_management.core.settings_keys import leaves
from gpu_management.core.settings_load import load
from gpu_management.core.settings_report import show

GUIDE = Path(__file__).parent.parent / "acceptance" / "guide" / "application-gpu.yml"


def rows(**environ):
    loaded = load(config=[GUIDE], environ=environ, flags={"server.port": 9})
    return {row.key: row for row in show(loaded)}


def test_every_setting_is_shown_with_its_origin_and_its_names():
    shown = rows()
    maps = {key.partition("[")[0] for key in shown}
    assert maps == {leaf.key for leaf in leaves()}
    assert (shown["server.port"].value, shown["server.port"].origin) == ("9", "flag --port")
    assert shown["database.password"].env == "DB_PASSWORD, GPU_MANAGEMENT_DATABASE_PASSWORD"
    assert shown["metrics.async-processing"].value == "true"
    assert shown["billing.currency"].origin == "default"
    assert shown["security.oauth2.scopes"].value == "openid, profile, email, gpu-management"


def test_every_entry_of_a_map_has_its_own_row():
    row = rows()["security.ldap.group-mappings[DevOps]"]
    assert (row.value, row.origin) == ("OPERATOR", "application-gpu.yml:173")


def test_secrets_are_shown_as_set_but_not_shown():
    names = ["DB_PASSWORD", "LDAP_PASSWORD", "OAUTH2_CLIENT_SECRET", "SLACK_WEBHOOK_URL"]
    names += ["TEAMS_WEBHOOK_URL", "MONITORING_WEBHOOK_URL", "MONITORING_API_KEY"]
    environ = dict.fromkeys(names, "hunter2")
    environ["GPU_MANAGEMENT_DATABASE_PROPERTIES"] = "wallet_password=hunter2"
    shown = rows(**environ)
    assert not [row for row in shown.values() if "hunter2" in repr(row)]
    assert shown["database.password"].value == "***"
    assert shown["database.properties[wallet_password]"].value == "***"
    assert rows()["database.password"].value == ""
