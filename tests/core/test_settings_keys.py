import pytest

from gpu_management.core.settings_keys import (
    CONVENTIONAL_NAMES,
    OTHER_VARIABLES,
    SPRING_KEYS,
    Found,
    Group,
    Kind,
    Unknown,
    leaf_by_env,
    leaf_by_key,
    leaves,
    locate,
)


@pytest.mark.parametrize(
    "key",
    [
        "gpu.management.webhooks.retry.max-attempts",
        "gpu.management.webhooks.retry.maxAttempts",
        "webhooks.retry.max_attempts",
        "Webhooks.Retry.MAX_ATTEMPTS",
    ],
)
def test_kebab_camel_and_snake_case_are_one_key_below_either_root(key):
    found = locate(key.split("."))
    assert isinstance(found, Found)
    assert found.leaf.key == "webhooks.retry.max-attempts"


def test_the_unit_may_be_left_out_of_a_key():
    found = locate(["metrics", "collection-interval"])
    assert isinstance(found, Found)
    assert found.leaf.key == "metrics.collection-interval-seconds"


def test_what_stands_below_a_map_is_the_users_own():
    found = locate(["logging", "levels", "gpu_management", "allocations"])
    assert isinstance(found, Found)
    assert found.rest == ("gpu_management", "allocations")


def test_groups_and_unknown_keys_are_told_apart():
    assert locate(["security", "ldap"]) == Group()
    unknown = locate(["cache", "ttl", "seconds"])
    assert isinstance(unknown, Unknown)
    assert unknown.segment == "seconds"


def test_every_setting_has_a_description_and_a_name_of_its_own_in_the_environment():
    assert all(leaf.description.endswith(".") for leaf in leaves())
    assert len({leaf.key for leaf in leaves()}) == len(leaves())
    assert {leaf.key for leaf in leaf_by_env().values()} == set(leaf_by_key())
    assert len({leaf.env.replace("_", "") for leaf in leaves()}) == len(leaves())


def test_no_setting_is_shadowed_by_another_one_without_its_unit():
    for leaf in leaves():
        for key in (leaf.path, ("gpu", "management", *leaf.path)):
            found = locate(key)
            assert isinstance(found, Found)
            assert found.leaf == leaf
        assert leaf_by_env()["".join(leaf.path).replace("_", "")] == leaf


def test_every_alias_names_a_setting():
    assert set(CONVENTIONAL_NAMES.values()) | set(SPRING_KEYS.values()) <= set(leaf_by_key())
    assert not set(CONVENTIONAL_NAMES) & set(OTHER_VARIABLES)


def test_everything_that_holds_a_secret_is_marked():
    marked = {leaf.key for leaf in leaves() if leaf.is_secret}
    assert marked == {
        "database.password",
        "security.ldap.bind-password",
        "security.oauth2.client-secret",
        "alerts.notification.slack.webhook-url",
        "alerts.notification.teams.webhook-url",
        "alerts.notification.pagerduty.routing-key",
        "alerts.notification.mail.password",
        "webhooks.endpoints",
    }
    assert leaf_by_key()["webhooks.endpoints"].kind is Kind.RECORDS
