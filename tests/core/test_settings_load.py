from pathlib import Path

import pytest

from gpu_management.core.settings import Settings, auth_enforced
from gpu_management.core.settings_items import SettingsError
from gpu_management.core.settings_load import PROFILES, Loaded, bind_check, load


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


def write(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def read(*config: Path, profiles=(), environ=None, flags=None) -> Loaded:
    return load(config=config, profiles=profiles, environ=environ or {}, flags=flags or {})


def test_without_any_source_every_setting_is_a_default():
    loaded = read()
    assert loaded.settings == Settings()
    assert set(loaded.origins.values()) == {"default"}
    assert loaded.warnings == ()


def test_default_file_profile_environment_and_flag_win_in_this_order(folder):
    write(folder / "application.yml", "cache: {ttl-seconds: 2}\n")
    write(folder / "application-gpu.yml", "cache: {ttl-seconds: 3}\n")
    environ = {"GPU_MANAGEMENT_CACHE_TTL_SECONDS": "4"}
    flags = {"cache.ttl-seconds": 5}
    steps = [
        (read(), 30, "default"),
        (read(folder), 2, "application.yml:1"),
        (read(folder, profiles=["gpu"]), 3, "application-gpu.yml:1"),
        (
            read(folder, profiles=["gpu"], environ=environ),
            4,
            "env GPU_MANAGEMENT_CACHE_TTL_SECONDS",
        ),
        (read(folder, profiles=["gpu"], environ=environ, flags=flags), 5, "flag --set"),
    ]
    for loaded, ttl_seconds, origin in steps:
        assert loaded.settings.cache.ttl_seconds == ttl_seconds
        assert loaded.origins["cache.ttl-seconds"] == origin


def test_a_flag_that_was_not_given_sets_nothing():
    loaded = read(flags={"server.port": None, "server.host": "10.1.2.3"})
    assert loaded.settings.server.port == 8080
    assert loaded.origins["server.host"] == "flag --host"


@pytest.mark.parametrize(
    "given",
    [
        {"profiles": ["production,gpu"]},
        {"profiles": ["production", "gpu"]},
        {"environ": {"GPU_MANAGEMENT_PROFILES": "production, gpu"}},
        {"environ": {"SPRING_PROFILES_ACTIVE": "production,gpu"}},
    ],
)
def test_profiles_combine_wherever_they_are_named(given):
    loaded = read(**given)
    assert loaded.settings.profiles == ("production", "gpu")
    assert loaded.settings.security.mode == "enforced"
    assert loaded.origins["security.mode"] == "profile production"


def test_a_later_profile_wins_and_its_file_beats_its_built_in_values(folder):
    base = write(folder / "application.yml", "security.mode: auto\n")
    write(folder / "application-test.yaml", "logging.level: debug\n")
    settings = read(base, profiles=["production", "test"]).settings
    assert (settings.security.mode, settings.logging.level) == ("disabled", "DEBUG")


def test_a_profile_of_ones_own_needs_a_file(folder):
    write(folder / "application-lab.yml", "server: {port: 9}\n")
    assert read(folder, profiles=["lab"]).settings.server.port == 9
    assert read(profiles=["prodution"]).warnings == (
        "profile prodution is not built in and has no file; did you mean production?",
    )


def test_files_can_be_named_by_the_environment_and_later_ones_win(folder):
    one = write(folder / "one.yml", "server: {port: 1}\ncluster: {name: a}\n")
    two = write(folder / "two.yml", "server: {port: 2}\n")
    settings = read(environ={"GPU_MANAGEMENT_CONFIG": f"{one}, {two}"}).settings
    assert (settings.server.port, settings.cluster.name) == (2, "a")


def test_groups_that_appear_twice_and_several_documents_are_merged(folder):
    file = write(
        folder / "a.yml",
        "gpu:\n  management:\n    cache: {max-size: 7}\n"
        "gpu:\n  management:\n    cache: {ttl: 8s}\n---\ngpu.management.server.port: 9\n",
    )
    settings = read(file).settings
    assert (settings.cache.max_size, settings.cache.ttl_seconds, settings.server.port) == (7, 8, 9)


def test_placeholders_are_filled_once_and_template_variables_left_alone(folder):
    file = write(
        folder / "a.yml",
        """
        cluster: {name: "${CLUSTER:lab}", environment: "${STAGE}"}
        security.ldap: {user-search-filter: "${FILTER:(uid={0})}", base: "${A:${B:dc=x}}"}
        alerts.notification.slack.templates: {cost: "${{costPerHour}} ${COST}"}
        """,
    )
    settings = read(file, environ={"STAGE": "${SECRET}", "SECRET": "no", "COST": "1"}).settings
    assert settings.cluster.name == "lab"
    assert settings.cluster.environment == "${SECRET}"
    assert settings.security.ldap.user_search_filter == "(uid={0})"
    assert settings.security.ldap.base == "dc=x"
    assert settings.alerts.notification.slack.templates["cost"] == "${{costPerHour}} 1"


def test_a_placeholder_without_value_leaves_the_setting_unset_and_is_named(folder):
    file = write(folder / "a.yml", "cluster:\n  name: x-${NOWHERE}\n")
    loaded = read(file)
    assert loaded.settings.cluster.name == "gpu-cluster"
    assert loaded.warnings == (
        "a.yml:2: ${NOWHERE} has no value in the environment and no default",
    )


def test_names_that_are_data_are_kept_as_written(folder):
    file = write(
        folder / "a.yml",
        """
        security.ldap.group-mappings: {GPU-Admins: role_admin, ml_Team: user}
        webhooks.endpoints: [{name: a, url: "http://x", headers: {X-Own_Name: "1"}}]
        logging.levels: {gpu_management.allocations: debug}
        """,
    )
    settings = read(file).settings
    assert settings.security.ldap.group_mappings == {"GPU-Admins": "ADMIN", "ml_Team": "USER"}
    assert list(settings.webhooks.endpoints[0].headers) == ["X-Own_Name"]
    assert settings.logging.levels == {"gpu_management.allocations": "DEBUG"}


def test_entries_of_a_map_come_from_several_places(folder):
    file = write(folder / "a.yml", "security.ldap.group-mappings: {A: USER, B: USER}\n")
    environ = {"GPU_MANAGEMENT_SECURITY_LDAP_GROUP_MAPPINGS": "B=ADMIN,C=VIEWER"}
    loaded = read(file, environ=environ)
    mappings = loaded.settings.security.ldap.group_mappings
    assert mappings == {"A": "USER", "B": "ADMIN", "C": "VIEWER"}
    assert loaded.origins["security.ldap.group-mappings[A]"] == "a.yml:1"


@pytest.mark.parametrize("name", ["SECURITY_LDAP_URLS", "SECURITY__LDAP__URLS"])
def test_lists_in_the_environment_are_commas_or_json(name):
    for text in ("ldap://a, ldap://b", '["ldap://a", "ldap://b"]'):
        settings = read(environ={f"GPU_MANAGEMENT_{name}": text}).settings
        assert settings.security.ldap.urls == ("ldap://a", "ldap://b")


def test_trusted_networks_in_the_environment_are_json():
    text = '[{"cidr": "10.0.0.0/8", "roles": ["user"]}]'
    settings = read(environ={"GPU_MANAGEMENT_SECURITY_TRUSTED_NETWORKS": text}).settings
    assert str(settings.security.trusted_networks[0].cidr) == "10.0.0.0/8"
    assert settings.security.trusted_networks[0].roles == ("USER",)


def test_conventional_environment_names_set_what_they_name():
    environ = {
        "DB_USERNAME": "gpu",
        "DB_PASSWORD": "one",
        "LDAP_PASSWORD": "two",
        "OAUTH2_CLIENT_SECRET": "three",
        "SLACK_WEBHOOK_URL": "https://four",
        "TEAMS_WEBHOOK_URL": "https://five",
        "CLUSTER_NAME": "six",
        "ENVIRONMENT": "seven",
    }
    settings = read(environ=environ).settings
    found = [
        settings.database.username,
        settings.database.password,
        settings.security.ldap.bind_password,
        settings.security.oauth2.client_secret,
        settings.alerts.notification.slack.webhook_url,
        settings.alerts.notification.teams.webhook_url,
        settings.cluster.name,
        settings.cluster.environment,
    ]
    values = [getattr(value, "get_secret_value", lambda value=value: value)() for value in found]
    assert values == list(environ.values())


def test_an_own_environment_name_beats_the_conventional_one():
    environ = {"DB_USERNAME": "a", "GPU_MANAGEMENT_DATABASE_USERNAME": "b"}
    assert read(environ=environ).settings.database.username == "b"


def test_an_empty_environment_variable_sets_nothing():
    environ = {"DB_USERNAME": "", "GPU_MANAGEMENT_SERVER_PORT": ""}
    assert read(environ=environ).settings == Settings()


def test_unknown_environment_names_are_reported_with_the_nearest_one():
    environ = {"GPU_MANAGEMENT_SERVER_PROT": "1", "GPU_MANAGEMENT_API": "http://x"}
    environ |= {"GPU_MANAGEMENT_TEST_DATA": "x", "GPU_MANAGEMENT_API_KEY": "x"}
    assert read(environ=environ).warnings == (
        "environment variable GPU_MANAGEMENT_SERVER_PROT is no setting; "
        "did you mean GPU_MANAGEMENT_SERVER_PORT?",
    )


def test_unknown_keys_are_reported_with_place_and_nearest_name(folder):
    file = write(
        folder / "a.yml",
        "cash: {ttl-seconds: 3}\ncache:\n  ttl-second: 3\n  size: 5\n"
        "webhooks:\n  endpoints: [{name: a, url: 'http://x', event: [b]}]\n",
    )
    assert read(file).warnings == (
        "a.yml:1: cash is no setting; did you mean cache?",
        "a.yml:3: cache.ttl-second is no setting; did you mean ttl-seconds?",
        "a.yml:4: cache.size is no setting; did you mean max-size?",
        "a.yml:6: webhooks.endpoints has no field event; did you mean events?",
    )


def test_unknown_spring_keys_are_listed_once(folder):
    a = write(folder / "a.yml", "spring:\n  jpa.show-sql: true\n  main: {banner-mode: off}\n")
    b = write(folder / "b.yml", "spring.jpa.show-sql: true\n")
    assert read(a, b).warnings == (
        "these spring.* keys mean nothing here and are ignored: "
        "spring.jpa.show-sql, spring.main.banner-mode",
    )


def test_spring_keys_are_read_as_ours(folder):
    file = write(
        folder / "application.yml",
        """
        server: {port: 9090, servlet: {context-path: /gpu/}}
        spring.datasource:
          url: jdbc:postgresql://db/gpu?user=u&password=hunter2
          hikari: {maximumPoolSize: 5, connection-timeout: 30000}
        """,
    )
    settings = read(file).settings
    assert (settings.server.port, settings.server.context_path) == (9090, "/gpu")
    assert settings.database.url == "postgresql+psycopg://db/gpu"
    assert settings.database.username == "u"
    assert settings.database.maximum_pool_size == 5
    assert settings.database.connect_timeout_seconds == 30


def test_digits_stay_the_text_they_are_where_a_text_is_wanted(folder):
    file = write(folder / "a.yml", "database: {password: 0123, username: 1e3}\n")
    database = read(file).settings.database
    assert database.password is not None
    assert (database.password.get_secret_value(), database.username) == ("0123", "1e3")


def test_all_wrong_values_are_named_at_once_with_their_place(folder):
    file = write(folder / "a.yml", "server: {port: abc}\nbilling:\n  timezone: Mars/Base\n")
    with pytest.raises(SettingsError) as caught:
        read(file, environ={"GPU_MANAGEMENT_CACHE_ENABLED": "perhaps"})
    timezone, enabled, port = sorted(caught.value.problems)
    assert port.startswith("server.port: should be a valid integer")
    assert port.endswith("not 'abc' (a.yml:1)")
    assert enabled.startswith("cache.enabled: should be a valid boolean")
    assert enabled.endswith("not 'perhaps' (env GPU_MANAGEMENT_CACHE_ENABLED)")
    assert timezone.startswith("billing.timezone: is no time zone known here")
    assert timezone.endswith("('Mars/Base') (a.yml:3)")


def test_wrong_values_of_secrets_are_not_shown(folder):
    file = write(
        folder / "a.yml",
        "webhooks:\n  endpoints: [{url: 'http://hunter2', headers: {Authorization: [hunter2]}}]\n"
        "database: {password: [hunter2]}\n",
    )
    with pytest.raises(SettingsError) as caught:
        read(file)
    assert "hunter2" not in str(caught.value)
    assert any("webhooks.endpoints.0.name" in problem for problem in caught.value.problems)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("a: [hunter2", "a.yml:1: is no valid YAML"),
        ("password: !!x hunter2\n\t- b", "a.yml:2: is no valid YAML"),
        ("- server", "a.yml:1: the file needs `name: value` lines"),
        ("server: 5", "server is a group of settings"),
    ],
)
def test_a_damaged_file_is_named_with_the_line_but_without_its_content(folder, text, sentence):
    with pytest.raises(SettingsError, match=r"a\.yml") as caught:
        read(write(folder / "a.yml", text))
    assert sentence in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_file_that_contains_itself_is_refused(folder):
    with pytest.raises(SettingsError, match="levels deep"):
        read(write(folder / "a.yml", "logging.levels: &a\n  x: *a\n"))


def test_missing_files_and_unreadable_ones_are_named(folder):
    with pytest.raises(SettingsError, match=r"nowhere\.yml does not exist"):
        read(folder / "nowhere.yml")
    (folder / "b.yml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(SettingsError, match=r"b\.yml"):
        read(folder / "b.yml")


def test_an_empty_file_sets_nothing_and_an_empty_folder_is_reported(folder):
    assert read(write(folder / "a.yml", "# nothing\n")).settings == Settings()
    assert "holds no application.yml" in read(folder).warnings[0]


def test_a_flag_that_is_no_setting_is_refused_with_the_nearest():
    with pytest.raises(
        SettingsError, match=r"server\.prt is no setting; did you mean server\.port"
    ):
        read(flags={"server.prt": 1})


def test_a_database_flag_brings_its_own_credentials():
    loaded = read(
        environ={"DB_PASSWORD": "other"}, flags={"database.url": "postgres://u:hunter2@h/d"}
    )
    secret = loaded.settings.database.connect_url().get_secret_value()
    assert secret == "postgresql+psycopg://u:hunter2@h/d"
    assert "hunter2" not in repr(loaded)
    assert loaded.origins["database.password"] == "flag --database-url"


@pytest.mark.parametrize(
    ("profiles", "host", "enforced"),
    [
        ([], "127.0.0.1", False),
        ([], "::1", False),
        ([], "localhost", False),
        ([], "10.1.2.3", True),
        (["base"], "127.0.0.1", False),
        (["gpu"], "127.0.0.1", True),
        (["development"], "10.1.2.3", False),
        (["test"], "10.1.2.3", False),
        (["production"], "127.0.0.1", True),
    ],
)
def test_authentication_follows_profile_and_address(profiles, host, enforced):
    settings = read(profiles=profiles, flags={"server.host": host}).settings
    assert auth_enforced(settings) is enforced


def test_an_open_server_without_authentication_needs_insecure():
    flags = {"server.host": "10.1.2.3"}
    with pytest.raises(SettingsError, match="--insecure"):
        bind_check(read(profiles=["development"], flags=flags).settings)
    bind_check(read(profiles=["development"], flags=flags | {"server.insecure": True}).settings)
    bind_check(read(profiles=["production"], flags=flags).settings)
    bind_check(read(profiles=["development"]).settings)


def test_settings_cannot_be_changed():
    with pytest.raises(ValueError, match="frozen"):
        read().settings.server.port = 1


def test_every_built_in_profile_loads():
    for profile in PROFILES:
        assert read(profiles=[profile]).warnings == ()
