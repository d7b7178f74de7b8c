import csv
import io
import json
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from gpu_management.core.wire import (
    ListFacts,
    Plain,
    Sentence,
    Style,
    WireInt,
    WireRequest,
    asked_envelope,
    dress,
    to_csv,
)

AGENTS = ("curl/",)


class Body(WireRequest):
    count: WireInt = 1
    user_id: Plain = ""
    said: Sentence = ""


@pytest.mark.parametrize(
    ("query", "header", "agent", "wanted"),
    [
        (None, None, "x", None),
        (None, None, "curl/8", True),
        (None, "false", "curl/8", False),
        ("true", "false", "curl/8", True),
        ("0", "true", "curl/8", False),
        ("what", "no", "curl/8", False),
        ("what", None, "curl/8", True),
    ],
)
def test_the_query_goes_before_the_header_before_the_agent(
    *, query: str | None, header: str | None, agent: str, wanted: bool | None
) -> None:
    assert asked_envelope(query, header, agent, envelope_agents=AGENTS) is wanted


def test_without_agents_nobody_is_taken_for_one() -> None:
    assert asked_envelope(None, None, "curl/8", envelope_agents=()) is None


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)
objects = st.dictionaries(
    st.text(max_size=5).filter(lambda key: key not in {"data", "meta"}), json_values
)


@given(body=objects)
def test_a_hybrid_object_is_itself_and_its_own_data(body: dict[str, Any]) -> None:
    dressed, style = dress(orjson.dumps(body), None, ListFacts())
    read = orjson.loads(dressed)
    assert style is Style.HYBRID
    assert read.pop("data") == body
    assert read.pop("meta") == {"apiVersion": "v1"}
    assert read == body


@given(rows=st.lists(objects, max_size=4), envelope=st.sampled_from((True, False, None)))
def test_a_list_is_bare_or_in_an_envelope(rows: list[Any], *, envelope: bool | None) -> None:
    dressed, style = dress(orjson.dumps(rows), envelope, ListFacts(len(rows), "c"))
    read = orjson.loads(dressed)
    if envelope:
        assert style is Style.ENVELOPE
        assert read["data"] == rows
        assert read["meta"] == {"apiVersion": "v1", "total": len(rows), "nextCursor": "c"}
    else:
        assert (style, read) == (Style.BARE, rows)


@given(rows=st.lists(st.dictionaries(st.sampled_from("abc"), json_values), max_size=5))
def test_csv_has_every_row_and_column_and_no_formula(rows: list[dict[str, Any]]) -> None:
    text = to_csv(json.dumps(rows).encode())
    read = list(csv.reader(io.StringIO(text, newline="")))
    columns = list(dict.fromkeys(name for row in rows for name in row))
    if columns:
        assert read[0] == columns
        assert len(read) == len(rows) + 1
    for line in read[1:]:
        for cell, name in zip(line, columns, strict=False):
            if not cell.lstrip("-").isdigit():
                assert not cell.startswith(("=", "+", "-", "@", "\t", "\r")), name


@pytest.mark.parametrize("value", [1, 1.0, 10**18])
def test_a_json_integer_may_be_written_with_a_point(value: Any) -> None:
    assert Body.model_validate({"count": value}).count == value


@pytest.mark.parametrize("value", ["1", True, 1.5, None, [1]])
def test_what_is_no_json_integer_is_refused(value: Any) -> None:
    with pytest.raises(ValidationError):
        Body.model_validate({"count": value})


@given(st.text(max_size=20))
def test_plain_text_never_needs_an_escape_and_a_sentence_is_made_so(text: str) -> None:
    said = Body.model_validate({"said": text}).said
    assert "\\" not in json.dumps(said, ensure_ascii=False)
    try:
        told = Body.model_validate({"userId": text}).user_id
    except ValidationError:
        assert said != text
    else:
        assert told == text == said


def test_unknown_fields_are_named_with_the_nearest_known() -> None:
    body = Body.model_validate({"useId": "x", "userId": "y"})
    ((path, sentence),) = body.unknown_fields().items()
    assert path == "useId"
    assert "useId" in sentence
    assert "userId" in sentence


class Several(WireRequest):
    requests: list[Body]


def test_unknown_fields_inside_a_list_are_named_with_their_place() -> None:
    told = Several.model_validate({"requests": [{}, {"useId": 1}], "request": []})
    found = told.unknown_fields()
    assert list(found) == ["request", "requests.1.useId"]
    assert "did you mean userId" in found["requests.1.useId"]
