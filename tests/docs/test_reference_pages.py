"""The generated pages are up to date, and nothing that people meet is missing from them."""

import re
from pathlib import Path

import pytest

from gpu_management.core.problems import type_uri
from tools import docs_api, docs_commands, docs_events, docs_metrics, docs_problems
from tools.docs_product import facts
from tools.generate_docs import PAGES


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_generated_page_is_up_to_date(page: Path) -> None:
    assert page.read_text(encoding="utf-8") == PAGES[page](), "run `make docs`"


def test_every_operation_is_documented() -> None:
    text = docs_api.PAGE.read_text(encoding="utf-8")
    for path, methods in facts().openapi["paths"].items():
        for method, operation in methods.items():
            row = rf"^\| `{operation['operationId']}` \| {method.upper()} `{re.escape(path)}` \| \S"
            assert re.search(row, text, re.MULTILINE), operation["operationId"]


def test_every_operation_under_api_asks_for_a_permission_or_says_that_it_does_not() -> None:
    text = docs_api.PAGE.read_text(encoding="utf-8")
    open_to_all = re.findall(r"^\| `(\w+)` \| [A-Z]+ `/api\S+` \|.*\| any caller \|", text, re.M)
    assert set(open_to_all) == {"getMe", "getSession", "logIn", "logOut"}


def test_every_problem_is_documented() -> None:
    text = docs_problems.PAGE.read_text(encoding="utf-8")
    for kind in docs_problems.kinds():
        assert f"`{kind.code}`" in text
        assert kind.title in text
        assert f'id="{type_uri(kind).split("/")[-1]}"' in text


def test_every_problem_that_an_operation_declares_is_a_kind_of_ours() -> None:
    declared = re.findall(r"\(`([A-Z_]+)`\)", str(facts().openapi["paths"]))
    assert set(declared) <= {kind.code for kind in docs_problems.kinds()}


def test_every_metric_is_documented() -> None:
    text = docs_metrics.PAGE.read_text(encoding="utf-8")
    exposed = set(re.findall(r"^# TYPE (gpu_\w+) ", facts().exposition, re.MULTILINE))
    assert len(exposed) > 10
    for name in exposed:
        assert name.endswith("_created") or f"`{name}`" in text


def test_every_command_is_documented() -> None:
    text = docs_commands.PAGE.read_text(encoding="utf-8")
    assert len(docs_commands.names()) > 40
    for name in docs_commands.names():
        assert re.search(rf"^##+ {re.escape(name)}$", text, re.MULTILINE), name


def test_every_event_that_the_code_writes_is_documented() -> None:
    assert docs_events.written() == set(docs_events.KINDS)
