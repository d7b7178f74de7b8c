"""Makes docs/reference/metrics.md from what the server exposes."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tools.docs_product import MADE, REFERENCE, facts

PAGE = REFERENCE / "metrics.md"
_LIBRARY: Final = ("python_", "process_")
_INTRO: Final = """\
`GET /actuator/prometheus`, or `/metrics`, answers the Prometheus text format. It is open unless
`metrics.public` is off; then it asks for `general.read`. Scrape any one replica for the fleet's
metrics (they are read from the database), and every replica for `gpu_management_*`.

Counters of the fleet are recomputed from the ledger, so they survive a restart. Beside the metrics
below there are the usual `python_*` and `process_*` of the Prometheus client, and a `*_created`
gauge for each counter and histogram."""
_EXAMPLES: Final = """## Queries to begin with

```promql
# Part of the fleet that is held
sum(gpu_held_milli) / 1000 / sum(gpu_devices)

# GPUs that cannot be used
sum by (model, state) (gpu_devices{state!="READY"})

# Requests that have been waiting for 15 minutes without a pause
min_over_time(gpu_allocations_pending[15m]) > 0

# 99th percentile of answering a request for GPUs
histogram_quantile(0.99, sum by (le) (rate(
  gpu_management_http_request_seconds_bucket{method="POST",route="/api/v1/gpu/allocations"}[5m])))
```"""


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric as it is exposed."""

    name: str
    kind: str
    about: str
    labels: tuple[str, ...]


def metrics() -> list[Metric]:
    """Return the product's own metrics, by name."""
    return sorted(_found(facts().exposition), key=lambda metric: metric.name)


def _found(exposition: str) -> Iterator[Metric]:
    abouts = dict(re.findall(r"^# HELP (\S+) (.*)$", exposition, re.MULTILINE))
    for name, kind in re.findall(r"^# TYPE (\S+) (\S+)$", exposition, re.MULTILINE):
        if name.endswith("_created") or name.startswith(_LIBRARY):
            continue
        sample = re.search(rf"^{name}(?:_bucket)?{{(.*?)}} ", exposition, re.MULTILINE)
        labels = re.findall(r'(\w+)="', sample[1]) if sample else []
        yield Metric(name, kind, abouts[name], tuple(one for one in labels if one != "le"))


def page() -> str:
    """Return the text of the page."""
    lines = ["# Metrics", "", MADE, "", _INTRO, ""]
    lines += ["| Metric | Type | Labels | Meaning |", "| --- | --- | --- | --- |"]
    for metric in metrics():
        labels = ", ".join(f"`{label}`" for label in metric.labels)
        lines.append(f"| `{metric.name}` | {metric.kind} | {labels} | {metric.about} |")
    return "\n".join([*lines, "", _EXAMPLES]).replace("  |", " |") + "\n"
