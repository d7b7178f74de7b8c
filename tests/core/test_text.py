import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_management.core.text import (
    did_you_mean,
    is_secret_name,
    json_line,
    mask_secrets,
    nearest,
    one_line,
)


def test_the_nearest_name_is_found_whatever_its_case():
    assert nearest("ALOCATIONS", ["devices", "allocations", "cache"]) == "allocations"


def test_nothing_is_near_a_name_that_is_like_none():
    assert nearest("zzz", ["devices", "allocations"]) is None
    assert did_you_mean("zzz", ["devices"]) == ""


def test_a_hint_ends_a_sentence():
    assert did_you_mean("deviecs", ["devices", "cache"]) == "; did you mean devices?"


@given(st.text())
def test_any_text_becomes_one_line(text):
    assert len(one_line(text).splitlines()) <= 1
    assert len(json_line(json.dumps(text, ensure_ascii=False)).splitlines()) <= 1
    assert json.loads(json_line(json.dumps(text, ensure_ascii=False))) == text


def test_control_and_direction_characters_are_written_out():
    assert one_line("a\nb\x1b[31m\u202ec\u2028") == "a\\nb\\x1b[31m\\u202ec\\u2028"


@pytest.mark.parametrize(
    "text",
    [
        "Authorization: Bearer hunter2secret",
        '{"Authorization": "Bearer hunter2secret"}',
        "authorization=hunter2secret",
        "X-API-Key: hunter2secret",
        "password=hunter2secret&x=1",
        "'password': 'hunter2secret'",
        "postgresql://me:hunter2secret@db/x",
        "postgresql://me:p@hunter2secret@db/x",
        "https://hooks.slack.com/services/T0/B0/hunter2secret",
        "https://x.webhook.office.com/webhookb2/hunter2secret",
        "got bearer hunter2secret from them",
        "GET /x?access_token=hunter2secret HTTP/1.1",
        "jwt eyJhbGciOiJIUzI1.hunter2secret.sig",
    ],
)
def test_secrets_are_masked(text):
    assert "hunter2secret" not in mask_secrets(text)


@pytest.mark.parametrize(
    "text",
    ["token: expired an hour ago", "http://127.0.0.1:8080/a@b", "the bearer has no role", "a: b"],
)
def test_sentences_without_secrets_stay(text):
    assert mask_secrets(text) == text


def test_long_hostile_texts_are_masked_in_time():
    for part in ("a.", "eyJ-", "bearer ", "://a:", "password ", "authorization "):
        mask_secrets(part * 20_000)


def test_secret_fields_are_known_by_their_name():
    assert is_secret_name("X-Api-Key")
    assert is_secret_name("db_password")
    assert not is_secret_name("device_id")
