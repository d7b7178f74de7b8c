"""Run every benchmark: `make bench`. Prints tables, and the figures as JSON into a file.

python -m benchmarks.run [--quick] [--json FILE]
"""

import argparse
import json
import platform
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from benchmarks import alerts, api, costs, metering, metrics, mig, notifications, placement
from tests.support import postgres


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure everything that can be measured here."""
    parser = argparse.ArgumentParser(description="Run every benchmark.")
    parser.add_argument("--quick", action="store_true", help="fewer seeds and calls")
    parser.add_argument("--json", type=Path, default=Path("bench-results/figures.json"))
    options = parser.parse_args(arguments)
    options.json.parent.mkdir(parents=True, exist_ok=True)
    figures: dict[str, Any] = {"python": platform.python_version(), "machine": platform.machine()}
    figures["api"] = _api(25 if options.quick else 125)
    api.print_table(figures["api"])
    figures["metering"] = metering.measure(metering.ROWS[:2] if options.quick else metering.ROWS)
    metering.print_table(figures["metering"])
    sizes = costs.SIZES[:2] if options.quick else costs.SIZES
    figures["costs"] = costs.measure(sizes, with_postgres=not options.quick)
    costs.print_table(figures["costs"])
    figures["metrics"] = metrics.measure(quick=options.quick)
    metrics.print_table(figures["metrics"])
    figures["alerts"] = alerts.measure(quick=options.quick)
    alerts.print_table(figures["alerts"])
    figures["notifications"] = notifications.measure(quick=options.quick)
    notifications.print_table(figures["notifications"])
    part = options.json.with_name("placement.json")
    seeds = "42-42" if options.quick else "42-51"
    placement.main(["--large", "--seeds", seeds, "--json", str(part)])
    figures["placement"] = json.loads(part.read_text())
    part = options.json.with_name("mig.json")
    mig.main([*(["--quick"] if options.quick else []), "--json", str(part)])
    figures["mig"] = json.loads(part.read_text())
    options.json.write_text(json.dumps(figures, indent=1) + "\n")
    print(f"figures: {options.json}")
    return 0


def _api(calls: int) -> dict[str, Any]:
    try:
        with postgres.running(durable=True) as server:
            return api.measure(calls, server.fresh_url())
    except pytest.skip.Exception as missing:
        print(f"{missing}; it is left out", file=sys.stderr)
        return api.measure(calls, None)


if __name__ == "__main__":
    sys.exit(main())
