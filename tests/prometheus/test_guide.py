"""Every alert is explained to the people whom it wakes."""

import re
from pathlib import Path

from gpu_management.alerts.rules import METRICS_AWAY
from tests.prometheus.rules import alerts

PAGE = Path(__file__).resolve().parents[2] / "docs" / "guides" / "alerts.md"


def test_the_page_explains_every_alert_and_no_other() -> None:
    told = re.findall(r"^### (\w+)\n\n(\S+)", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sorted(name for name, _ in told) == sorted({*alerts(), METRICS_AWAY})
