import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import make_url

from gpu_management.core.settings import Database
from gpu_management.core.settings_values import (
    database_address,
    duration_ms,
    duration_seconds,
    role_name,
    split_credentials,
    with_credentials,
)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("15s", 15),
        ("5m", 300),
        ("1h", 3600),
        ("1h30m", 5400),
        ("500ms", 0.5),
        ("2d", 172_800),
        ("PT15S", 15),
        ("PT1H30M", 5400),
        ("P1D", 86_400),
        ("pt0.5s", 0.5),
        (" 15S ", 15),
    ],
)
def test_a_duration_is_read_in_every_common_form(text, seconds):
    assert duration_seconds(text) == pytest.approx(seconds)


@pytest.mark.parametrize("value", ["15", "abc", "s", "P", "PT", "", 15, None])
def test_what_is_no_duration_is_left_to_the_model(value):
    assert duration_seconds(value) == value


def test_milliseconds_are_the_unit_of_bare_numbers_only():
    assert (duration_ms("1000"), duration_ms("1s"), duration_ms(250)) == ("1000", 1000.0, 250)


@pytest.mark.parametrize(
    ("given_address", "expected"),
    [
        ("sqlite:///x.db", "sqlite:///x.db"),
        ("jdbc:sqlite:x.db", "sqlite:///x.db"),
        ("postgres://h/db", "postgresql+psycopg://h/db"),
        (
            "postgresql://h:5432/db?sslmode=require",
            "postgresql+psycopg://h:5432/db?sslmode=require",
        ),
        ("jdbc:postgresql://h:5432/db", "postgresql+psycopg://h:5432/db"),
        ("jdbc:postgresql://h/db?ssl=true", "postgresql+psycopg://h/db?sslmode=require"),
        ("jdbc:oracle:thin:@//h:1521/ORCL", "oracle+oracledb://h:1521/?service_name=ORCL"),
        ("jdbc:oracle:thin:@h:1521/ORCL", "oracle+oracledb://h:1521/?service_name=ORCL"),
        ("jdbc:oracle:thin:@h:1521:SID", "oracle+oracledb://h:1521/SID"),
        ("oracle://h/?service_name=X", "oracle+oracledb://h/?service_name=X"),
    ],
)
def test_database_addresses_are_read_in_their_own_and_in_jdbc_form(given_address, expected):
    address = database_address(given_address)
    assert address == expected
    assert make_url(address).drivername == expected.partition(":")[0]
    assert database_address(address) == address


@pytest.mark.parametrize("address", ["mysql://h/db", "jdbc:oracle:thin:@(DESCRIPTION=x)", "x.db"])
def test_an_unknown_database_is_refused_with_the_known_forms(address):
    with pytest.raises(ValueError, match="known forms: sqlite:///FILE"):
        database_address(address)


def test_credentials_leave_the_address():
    assert split_credentials("postgresql://u:p%40ss@h/db?a=b") == (
        "postgresql://h/db?a=b",
        "u",
        "p@ss",
    )
    assert split_credentials("jdbc:postgresql://h/db?user=u&password=p&sslmode=require") == (
        "jdbc:postgresql://h/db?sslmode=require",
        "u",
        "p",
    )
    assert split_credentials("sqlite:///a@b.db") == ("sqlite:///a@b.db", None, None)


@given(user=st.text(min_size=1), password=st.text(min_size=1))
def test_any_credentials_arrive_at_the_driver(user, password):
    url = make_url(with_credentials("postgresql+psycopg://h:1/db", user, password))
    assert (url.username, url.password, url.host, url.port) == (user, password, "h", 1)


def test_the_connect_address_carries_the_credentials_and_hides_them():
    database = Database.model_validate(
        {"url": "postgresql://h/db", "username": "u", "password": "hunter2"}
    )
    secret = database.connect_url()
    assert secret.get_secret_value() == "postgresql+psycopg://u:hunter2@h/db"
    assert "hunter2" not in repr(database) + str(secret) + repr(secret)


@pytest.mark.parametrize("name", ["ADMIN", "ROLE_ADMIN", "role_admin", " admin "])
def test_role_names_are_read_in_any_case_with_or_without_prefix(name):
    assert role_name(name) == "ADMIN"
