"""The integration guide's application-gpu.yml, all its fragments merged, loads unmodified."""

from pathlib import Path

import pytest

from gpu_management.core.settings_load import Loaded, load

FILE = Path(__file__).parent.parent / "acceptance" / "guide" / "application-gpu.yml"
ENVIRON = {
    "DB_USERNAME": "gpu_admin",
    "DB_PASSWORD": "db-hunter2",
    "LDAP_PASSWORD": "ldap-hunter2",
    "OAUTH2_CLIENT_SECRET": "oauth-hunter2",
    "SLACK_WEBHOOK_URL": "https://hooks.slack.com/services/a/b/c",
    "TEAMS_WEBHOOK_URL": "https://teams.example/hook",
    "MONITORING_WEBHOOK_URL": "https://monitoring.example/hook",
    "MONITORING_API_KEY": "key-hunter2",
}


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return load(config=[FILE], profiles=["production", "gpu"], environ=ENVIRON, flags={})


def test_nothing_in_it_is_unknown_but_one_key_of_spring(loaded):
    assert loaded.warnings == (
        "these spring.* keys mean nothing here and are ignored: "
        "spring.jpa.properties.hibernate.cache.use_query_cache",
    )


def test_its_tuned_values_are_effective(loaded):
    settings = loaded.settings
    assert settings.database.maximum_pool_size == 50
    assert settings.database.minimum_idle == 20
    assert settings.database.batch_size == 100
    assert settings.cache.model_dump() == {"enabled": True, "ttl_seconds": 30, "max_size": 10_000}
    assert settings.metrics.collection_interval_seconds == 15
    assert settings.metrics.batch_size == 500
    assert settings.metrics.async_processing is True


def test_its_tuned_values_come_from_the_file_not_from_equal_defaults(loaded):
    for key in (
        "database.maximum-pool-size",
        "database.minimum-idle",
        "database.batch-size",
        "cache.enabled",
        "cache.ttl-seconds",
        "cache.max-size",
        "metrics.collection-interval-seconds",
        "metrics.batch-size",
        "metrics.async-processing",
        "webhooks.retry.max-attempts",
        "webhooks.retry.backoff-ms",
    ):
        assert loaded.origins[key].startswith("application-gpu.yml:")


def test_its_database_is_the_oracle_one_with_encryption_required(loaded):
    database = loaded.settings.database
    assert database.url == "oracle+oracledb://oracle-db:1521/?service_name=ORCL"
    assert database.username == "gpu_admin"
    assert database.properties["oracle.net.encryption_client"] == "REQUIRED"
    assert database.properties["oracle.net.crypto_checksum_types_client"] == "SHA256"
    assert "gpu_admin:db-hunter2@oracle-db" in database.connect_url().get_secret_value()


def test_its_directory_is_read_from_both_roots(loaded):
    ldap = loaded.settings.security.ldap
    assert ldap.enabled
    assert ldap.urls == ("ldap://ldap.company.com:389",)
    assert ldap.base == "dc=company,dc=com"
    assert ldap.bind_dn == "cn=admin,dc=company,dc=com"
    assert ldap.bind_password
    assert ldap.bind_password.get_secret_value() == "ldap-hunter2"
    assert (ldap.user_search_base, ldap.user_search_filter) == ("ou=people", "(uid={0})")
    assert (ldap.group_search_base, ldap.group_search_filter) == ("ou=groups", "(member={0})")
    assert (ldap.group_role_attribute, ldap.role_prefix) == ("cn", "ROLE_")
    assert ldap.group_mappings == {
        "GPU-Admins": "ADMIN",
        "ML-Engineers": "USER",
        "DevOps": "OPERATOR",
        "Finance": "VIEWER",
    }


def test_its_identity_provider_is_read_from_both_roots(loaded):
    oauth2 = loaded.settings.security.oauth2
    realm = "https://keycloak.company.com/auth/realms/gpu-management"
    assert oauth2.enabled
    assert oauth2.issuer_uri == realm
    assert oauth2.jwk_set_uri == f"{realm}/protocol/openid-connect/certs"
    assert oauth2.client_id == "gpu-management"
    assert oauth2.client_secret
    assert oauth2.client_secret.get_secret_value() == "oauth-hunter2"
    assert oauth2.scopes == ("openid", "profile", "email", "gpu-management")
    assert oauth2.role_claim == "realm_access.roles"


def test_its_templates_keep_their_names_and_their_dollar_sign(loaded):
    notification = loaded.settings.alerts.notification
    assert list(notification.slack.templates) == ["gpu-overheating", "allocation-success"]
    assert '"${{costPerHour}}"' in notification.slack.templates["allocation-success"]
    assert "장비 ID" in notification.slack.templates["gpu-overheating"]
    assert notification.teams.enabled
    assert notification.teams.webhook_url
    assert (
        "{{#if critical}}FF0000{{else}}FFA500{{/if}}" in notification.teams.templates["gpu-alert"]
    )


def test_its_webhooks_have_events_headers_and_retries(loaded):
    webhooks = loaded.settings.webhooks
    slack, monitoring = webhooks.endpoints
    assert webhooks.enabled
    assert slack.events == ("allocation.created", "allocation.released", "device.overheating")
    assert slack.headers["Content-Type"].get_secret_value() == "application/json"
    assert monitoring.events == ("device.failure", "allocation.failed")
    assert monitoring.headers["Authorization"].get_secret_value() == "Bearer key-hunter2"
    assert monitoring.url
    assert monitoring.url.get_secret_value() == ENVIRON["MONITORING_WEBHOOK_URL"]
    assert (webhooks.retry.max_attempts, webhooks.retry.backoff_ms) == (3, 1000)


def test_without_its_environment_endpoints_are_skipped_with_a_warning():
    loaded = load(config=[FILE], environ={}, flags={})
    assert [endpoint.url for endpoint in loaded.settings.webhooks.endpoints] == [None, None]
    assert "webhooks.endpoints monitoring-system has no url and is skipped" in loaded.warnings
    named = [w for w in loaded.warnings if "has no value in the environment" in w]
    assert len(named) == len(ENVIRON)


def test_no_secret_of_it_can_be_printed(loaded):
    assert "hunter2" not in repr(loaded) + str(loaded.settings)
