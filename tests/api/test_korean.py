"""Whatever code the server can send, the dashboard has a Korean sentence for it."""

import ast
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import gpu_management
from gpu_management.alerts.rules import RULES
from gpu_management.core.problems import every_kind
from gpu_management.core.settings_keys import leaves
from gpu_management.devices.catalog import ThermalLimits
from gpu_management.devices.health import HARDWARE_XIDS, Finding, Vitals, judge
from gpu_management.devices.models import DeviceState
from gpu_management.mig.placement import Lack
from gpu_management.optimization.models import SuggestionType

PACKAGE = Path(gpu_management.__file__).parent
LOCALES = PACKAGE.parents[1] / "frontend" / "src" / "locales"
TEXTS: dict[str, dict[str, str]] = json.loads((LOCALES / "server.ko.json").read_text("utf-8"))
LACKS: dict[str, str] = json.loads((LOCALES / "ko.json").read_text("utf-8"))["lack"]
LIMITS = ThermalLimits(
    slowdown_celsius=90, shutdown_celsius=95, max_operating_celsius=85, memory_max_celsius=None
)
_GAP = re.compile(r"\{\{(\w+)")
_LABEL = re.compile(r"\$(?:labels\.)?(\w+)")

CONDITION_CALLS = {
    "entry": ("reason", None),
    "hindered": ("reason", None),
    "placed": ("reason", None),
    "Trouble": ("reason", 0),
    "Waiting": ("reason", 0),
    "_Finding": ("reason", 1),
}
"""Functions of allocations and controllers that take the reason of a condition, and where."""
NEVER_SHOWN = {"PodsGone"}
"""Ends the allocation; no condition has it."""


def gaps(kind: str, code: str) -> set[str]:
    return set(_GAP.findall(TEXTS[kind][code]))


def calls(tree: ast.AST) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else None
            yield name or getattr(node.func, "id", ""), node


def constant(node: ast.expr | None, names: dict[str, str]) -> str | None:
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        return names.get(node.attr)
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def argument(call: ast.Call, name: str, place: int | None) -> ast.expr | None:
    told = next((word.value for word in call.keywords if word.arg == name), None)
    if told is not None or place is None:
        return told
    return call.args[place] if len(call.args) > place else None


def trees(*packages: str) -> list[ast.Module]:
    files = [file for one in packages for file in sorted((PACKAGE / one).rglob("*.py"))]
    return [ast.parse(file.read_text("utf-8")) for file in files]


def strings(found: list[ast.Module]) -> dict[str, str]:
    """Return the texts that modules name."""
    named = {}
    for tree in found:
        for node in tree.body:
            if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                text = constant(node.value, {})
                if text is not None:
                    named[node.targets[0].id] = text
    return named


def reasons() -> set[str]:
    """Return every reason of a condition that the source writes as a literal or a name."""
    found = trees("allocations", "controller", "costs", "optimization")
    named = strings(found)
    told = set()
    for tree in found:
        for name, call in calls(tree):
            if name in CONDITION_CALLS:
                told.add(constant(argument(call, *CONDITION_CALLS[name]), named))
            elif name == "_mark":
                told.update(constant(place, named) for place in call.args[1:4])
    kinds = {"Enforced", "Releasing", "Bound", "True", "False"}
    return {one for one in told if one and one.isalpha()} - kinds


def test_every_alert_rule_speaks_korean_with_its_own_figures() -> None:
    for rule in RULES:
        known = {"threshold", "value", *_LABEL.findall(rule.summary + rule.description)}
        for part in ("summary", "message"):
            assert gaps("alert", f"{rule.name} {part}") <= known, rule.name


def test_every_setting_is_described_in_korean() -> None:
    assert set(TEXTS["setting"]) == {leaf.key for leaf in leaves()}


def test_every_problem_is_explained_in_korean() -> None:
    assert {kind.code for kind in every_kind()} <= set(TEXTS["problem"])


@pytest.mark.parametrize(
    "vitals",
    [
        Vitals(is_measured=False, node_answers=True, was_ever_measured=False),
        Vitals(is_measured=False, node_answers=False),
        Vitals(is_measured=False, node_answers=True),
        Vitals(
            is_measured=True,
            node_answers=True,
            temperature_celsius=89.0,
            double_bit=2.0,
            remap_failed=True,
            throttled_ratio=0.5,
        ),
        *(Vitals(is_measured=True, node_answers=True, last_xid=xid) for xid in HARDWARE_XIDS),
    ],
)
def test_every_finding_of_health_is_told_in_korean_with_its_figures(vitals: Vitals) -> None:
    findings: tuple[Finding, ...] = judge(vitals, LIMITS).findings
    assert findings
    for finding in findings:
        assert gaps("finding", finding.code) == set(finding.facts)


def test_every_reason_of_a_condition_is_told_in_korean() -> None:
    found = reasons()
    assert {"ClaimCreated", "Standalone", "HigherPriority", "TakenByOthers", "NameTaken"} <= found
    assert found - NEVER_SHOWN - set(TEXTS["condition"]) == set()


def test_everything_a_gpu_may_lack_is_named_in_korean() -> None:
    tests = ("EXCLUDED", "MODEL", "MEMORY", "NODE_SELECTOR", "FREE_MILLI", "FREE_GPUS", "CPU")
    states = {state.value for state in DeviceState} - {"READY"}
    assert {*tests, *states, *(lack.value for lack in Lack)} <= set(LACKS)


def test_every_kind_of_suggestion_is_made_in_korean() -> None:
    assert set(TEXTS["suggestion"]) == {kind.value for kind in SuggestionType}


def test_every_rule_a_field_may_break_is_named_in_korean() -> None:
    found = trees(".")
    rules = {
        rule
        for tree in found
        for name, call in calls(tree)
        if name in {"FieldError", "_fault", "_refuse"} and len(call.args) > 1
        if (rule := constant(call.args[1], {})) and " " not in rule
    }
    assert {"range", "required", "known"} <= rules
    assert rules - set(TEXTS["rule"]) == set()


def test_whatever_ends_an_allocation_is_named_in_korean() -> None:
    found = trees("allocations", "controller", "costs", "optimization", "simulate")
    named = strings(found)
    told = {
        constant(argument(call, "reason", None), named)
        for tree in found
        for name, call in calls(tree)
        if name in {"release", "end", "_fail"}
    }
    assert {"expired", "requested", "wait-expired"} <= told
    assert {one for one in told if one} - set(TEXTS["ended"]) == set()


def test_every_korean_sentence_is_korean() -> None:
    for kind, texts in TEXTS.items():
        for code, text in texts.items():
            assert re.search("[가-힣]", text), f"{kind} {code}"
