import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_management.notifications.templates import TemplateInvalid, parse

COLOUR = '{"color": "{{#if critical}}FF0000{{else}}FFA500{{/if}}", "text": "{{message}}"}'


def test_values_are_filled_in() -> None:
    template = parse('{"pod": "{{namespace}}/{{ podName }}", "cost": "${{costPerHour}}"}')
    values = {"namespace": "ml", "podName": "train-0", "costPerHour": 0.5}
    assert template.render(values) == {"pod": "ml/train-0", "cost": "$0.5"}
    assert template.names() == {"namespace", "podName", "costPerHour"}


def test_a_choice_takes_one_side() -> None:
    template = parse(COLOUR)
    assert template.render({"critical": True})["color"] == "FF0000"
    assert template.render({"critical": False})["color"] == "FFA500"
    assert template.render({})["color"] == "FFA500"


def test_choices_may_stand_in_each_other() -> None:
    template = parse('"{{#if a}}{{#if b}}ab{{else}}a{{/if}}{{else}}-{{/if}}"')
    assert template.render({"a": 1, "b": 1}) == "ab"
    assert template.render({"a": 1}) == "a"
    assert template.render({"b": 1}) == "-"


def test_a_value_that_is_not_known_reads_a_dash() -> None:
    assert parse('{"t": "{{temperature}}°C"}').render({"temperature": None}) == {"t": "-°C"}


@given(st.text(), st.text())
def test_whatever_a_value_contains_it_arrives_as_it_is_and_changes_nothing_else(
    message: str, name: str
) -> None:
    template = parse('{"text": "{{message}}", "other": ["{{name}}", 1]}')
    assert template.render({"message": message, "name": name}) == {
        "text": message,
        "other": [name, 1],
    }


def test_a_value_is_not_read_as_a_template() -> None:
    assert parse('"{{a}}"').render({"a": "{{b}}", "b": "secret"}) == "{{b}}"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a": "{{#each x}}"}', "line 1: {{#each x}} is not known"),
        ('{\n"a": "{{#if x}}1"}', "line 2: {{#if x}} has no {{/if}}"),
        ('"{{/if}}"', "without {{#if}}"),
        ('"{{else}}"', "without {{#if}}"),
        ('"{{#if a}}1{{else}}2{{else}}3{{/if}}"', "a second {{else}}"),
        ('"{{a"', "does not end with }}"),
        ('{"a": {{b}}}', "no JSON comes out"),
        ('{"a": "{{b}}"', "no JSON comes out"),
        ('{"a": {{#if b}}1{{/if}}}', "no JSON comes out"),
        ('"{{}}"', "is not known"),
    ],
)
def test_a_template_that_cannot_work_is_refused_when_it_is_read(text: str, told: str) -> None:
    with pytest.raises(TemplateInvalid) as refused:
        parse(text)
    assert told in str(refused.value)
