"""Message templates: a subset of Handlebars that makes JSON, whatever the values contain.

`{{name}}` stands for a value, `{{#if name}}…{{else}}…{{/if}}` for a choice; nothing else is known.
Templates are JSON documents; values are escaped as parts of JSON strings.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

_TAG: Final = re.compile(r"\{\{(?P<inside>[^{}]*)\}\}")
_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_]*")
UNKNOWN: Final = "-"
"""What is written for a value that is not known."""

Escape = Callable[[str], str]


class TemplateInvalid(ValueError):
    """The template cannot be used; the message says where and why."""


@dataclass(frozen=True, slots=True)
class _Text:
    text: str


@dataclass(frozen=True, slots=True)
class _Value:
    name: str


@dataclass(frozen=True, slots=True)
class _Choice:
    name: str
    then: tuple["_Part", ...]
    otherwise: tuple["_Part", ...]


_Part = _Text | _Value | _Choice


@dataclass(slots=True)
class _Open:
    """A choice that has begun: where, and what it holds so far."""

    name: str
    line: int
    then: list[_Part]
    otherwise: list[_Part] | None = None

    @property
    def here(self) -> list[_Part]:
        return self.then if self.otherwise is None else self.otherwise


@dataclass(frozen=True, slots=True)
class Template:
    """A template that was understood."""

    parts: tuple[_Part, ...]

    def names(self) -> frozenset[str]:
        """Return the names of the values it uses."""
        return frozenset(_names(self.parts))

    def render(self, values: Mapping[str, Any], *, escape: Escape = str) -> Any:
        """Return the JSON document with the values filled in.

        `escape` is applied to each value before it is made part of a JSON string: what a channel
        takes for markup. A value that is None or missing reads `-`.
        """
        text = "".join(_filled(self.parts, values, escape))
        return json.loads(text)


def parse(text: str) -> Template:
    """Return the template that `text` is.

    Raises:
        TemplateInvalid: an unknown or unclosed tag, or no JSON comes out of it.
    """
    outermost = _Open("", 0, [])
    stack = [outermost]
    at = 0
    for tag in _TAG.finditer(text):
        stack[-1].here.append(_Text(text[at : tag.start()]))
        _apply(stack, tag["inside"].strip(), text.count("\n", 0, tag.start()) + 1)
        at = tag.end()
    stack[-1].here.append(_Text(text[at:]))
    if len(stack) > 1:
        raise TemplateInvalid(
            f"line {stack[-1].line}: {{{{#if {stack[-1].name}}}}} has no {{{{/if}}}}"
        )
    if "{{" in _TAG.sub("", text):
        raise TemplateInvalid("a tag begins with {{ and does not end with }}")
    template = Template(tuple(outermost.then))
    _check_json(template)
    return template


def _apply(stack: list[_Open], inside: str, line: int) -> None:
    if inside.startswith("#if "):
        stack.append(_Open(_named(inside[4:].strip(), line), line, []))
    elif inside == "else":
        _within(stack, inside, line)
        if stack[-1].otherwise is not None:
            raise TemplateInvalid(f"line {line}: a second {{{{else}}}}")
        stack[-1].otherwise = []
    elif inside == "/if":
        _within(stack, inside, line)
        done = stack.pop()
        choice = _Choice(done.name, tuple(done.then), tuple(done.otherwise or ()))
        stack[-1].here.append(choice)
    else:
        stack[-1].here.append(_Value(_named(inside, line)))


def _within(stack: list[_Open], inside: str, line: int) -> None:
    if len(stack) == 1:
        raise TemplateInvalid(f"line {line}: {{{{{inside}}}}} without {{{{#if}}}}")


def _named(name: str, line: int) -> str:
    if not _NAME.fullmatch(name):
        raise TemplateInvalid(
            f"line {line}: {{{{{name}}}}} is not known; there are {{{{name}}}},"
            " {{#if name}}, {{else}} and {{/if}}"
        )
    return name


def _check_json(template: Template) -> None:
    """Try both sides of every choice."""
    for given in (dict.fromkeys(template.names(), "x"), {}):
        try:
            template.render(given)
        except json.JSONDecodeError as error:
            raise TemplateInvalid(
                f"no JSON comes out: {error.msg} at line {error.lineno}, column {error.colno}"
            ) from error


def _names(parts: tuple[_Part, ...]) -> Iterator[str]:
    for part in parts:
        if isinstance(part, _Value):
            yield part.name
        elif isinstance(part, _Choice):
            yield part.name
            yield from _names(part.then)
            yield from _names(part.otherwise)


def _filled(parts: tuple[_Part, ...], values: Mapping[str, Any], escape: Escape) -> Iterator[str]:
    for part in parts:
        if isinstance(part, _Text):
            yield part.text
        elif isinstance(part, _Value):
            value = values.get(part.name)
            yield _within_json(escape(UNKNOWN if value is None else str(value)))
        else:
            chosen = part.then if values.get(part.name) else part.otherwise
            yield from _filled(chosen, values, escape)


def _within_json(text: str) -> str:
    clean = text.encode("utf-8", "replace").decode("utf-8")
    return json.dumps(clean, ensure_ascii=False)[1:-1]
