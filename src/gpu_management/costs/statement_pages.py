"""Statements as printable pages: one self-contained HTML document, English or Korean."""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from functools import cache
from typing import Any
from zoneinfo import ZoneInfo

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from gpu_management.costs.statement_texts import LANGUAGES, TEXTS

POLICY = "default-src 'none'; style-src 'unsafe-inline'"
"""The page loads nothing and runs nothing (Content-Security-Policy)."""


def language_of(asked: str | None, accepted: str) -> str:
    """Return `en` or `ko`: as asked, else the first of them in an Accept-Language header."""
    for wanted in ((asked or "").lower(), *(part.strip() for part in accepted.lower().split(","))):
        if wanted[:2] in LANGUAGES:
            return wanted[:2]
    return "en"


def page(name: str, statement: Mapping[str, Any], language: str) -> str:
    """Return a page: `team` or `month`, filled with a statement as the wire has it."""
    template = _environment().get_template(f"{name}.html")
    zone = ZoneInfo(statement["timezone"])

    def local(moment: datetime) -> str:
        return moment.astimezone(zone).strftime("%Y-%m-%d %H:%M")

    return template.render(
        statement, t=TEXTS[language], lang=language, local=local, short=short, exact=exact
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("gpu_management.costs"),
        autoescape=select_autoescape(),
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )


def short(amount: Decimal) -> str:
    """Write an amount for reading: two decimals, thousands apart, as English and Korean do."""
    return f"{amount:,.2f}"


def exact(amount: Decimal) -> str:
    """Write an amount to the millionth."""
    return f"{amount:,.6f}"
