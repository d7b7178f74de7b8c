"""The guide to prices: everything it types is typed here, and every figure is worked out again."""

import re
import shlex
from collections.abc import Iterator
from decimal import Decimal
from fractions import Fraction

import pytest

from gpu_management.rates.book import Book, BookRow, Priced
from gpu_management.rates.models import WHOLE_CARD
from tests.support.apps import NOON
from tests.support.cli import gpuctl
from tests.support.server import ROOT, LiveServer, serving

PAGE = (ROOT / "docs/guides/prices.md").read_text(encoding="utf-8")
SESSION = re.compile(r"```console\n(.*?)```", re.DOTALL)
NOW = re.compile(r"20(?!99)\d\d-\d\d-\d\dT[\d:.]+Z")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LiveServer]:
    with serving(tmp_path_factory.mktemp("prices")) as started:
        device = {"nodeName": "gpu-worker-1", "deviceIndex": 0, "modelId": "h100-sxm5-80gb"}
        started.ask("POST", "/api/v1/gpu/devices", device)
        yield started


def _steps() -> Iterator[tuple[str, str]]:
    """Yield each command of the page's sessions with what the page says it prints."""
    for session in SESSION.findall(PAGE):
        for step in re.split(r"^\$ ", session, flags=re.MULTILINE)[1:]:
            command, _, printed = step.partition("\n")
            yield command, printed


def test_every_command_prints_what_the_page_shows(server: LiveServer) -> None:
    steps = list(_steps())
    assert len(steps) > 10
    for command, printed in steps:
        ran = gpuctl(server, *shlex.split(command)[1:], columns=None)
        said = ran.out if ran.code == 0 else ran.err
        assert NOW.sub("NOW", said) == NOW.sub("NOW", printed), command


def test_the_slice_prices_of_the_table_are_those_of_the_book() -> None:
    rows = re.findall(r"^\| `(\dg\.\d+gb)` \| .* \| ([\d/]+) \| ([\d.]+) \|$", PAGE, re.MULTILINE)
    assert len(rows) == 6
    book = Book([BookRow("m", WHOLE_CARD, 2_800_000, NOON)])
    for profile, part, price in rows:
        found = book.tariff(Priced("m", "h100-sxm5-80gb", profile, 125), NOON)
        assert found is not None
        assert found.share == Fraction(part)
        assert Decimal(found.rate_micros) / 1_000_000 == Decimal(price)


def test_the_page_names_every_rule_that_can_be_set() -> None:
    from gpu_management.core.settings import Billing

    allowed = re.findall(r"^\| `(\w+_share)`", PAGE, re.MULTILINE)
    for rule in allowed:
        assert Billing.model_validate({"slice_rule": rule}).slice_rule == rule
    with pytest.raises(ValueError, match="another team's slice comes or goes"):
        Billing.model_validate({"slice_rule": "dominant_share_normalised"})
    assert len(allowed) == 4
