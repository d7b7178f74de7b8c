"""Measure metering of files, and beside it the naive way: adding up 5-minute samples.

    python -m benchmarks.metering [--rows 10000,100000,1000000] [--json FILE]

The same made-up year of allocations is metered both ways; with the public trace of 2025 at hand,
that too. Errors are those of the samples: the intervals are exact.
"""

import argparse
import csv
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from time import perf_counter, process_time
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np
from numpy.typing import NDArray

from gpu_management.costs.metering import Intervals, Split, buckets, meter, second_of
from gpu_management.costs.metering_files import read_intervals

SINCE, UNTIL = datetime(2025, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, tzinfo=UTC)
TRACE_SINCE, TRACE_UNTIL = datetime(2025, 1, 20, tzinfo=UTC), datetime(2025, 2, 20, tzinfo=UTC)
ROWS = (10_000, 100_000, 1_000_000)
SAMPLE_SECONDS = 300
_TENANTS = 200
_SAMPLES_AT_ONCE = 2_000_000
_PERCENT = 100
_ROOT = Path(__file__).resolve().parent.parent
_DATA = Path(os.environ.get("GPU_MANAGEMENT_TEST_DATA", _ROOT.parent / "shared" / "data"))
_TRACE = _DATA / "usage" / "allocations_2025.csv.gz"

Floats = NDArray[np.float64]


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, print a table, and write the figures as JSON."""
    parser = argparse.ArgumentParser(description="Measure metering of files.")
    parser.add_argument("--rows", default=",".join(map(str, ROWS)))
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    found = measure([int(rows) for rows in options.rows.split(",")])
    print_table(found)
    if options.json:
        options.json.write_text(json.dumps(found, indent=1) + "\n")
    return 0


def measure(rows: Sequence[int]) -> dict[str, Any]:
    """Return the figures of made-up years of so many rows, and of the trace if it is there."""
    found: dict[str, Any] = {"sample_seconds": SAMPLE_SECONDS, "years": []}
    with tempfile.TemporaryDirectory() as folder:
        for count in rows:
            file = Path(folder) / f"{count}.csv"
            _write_year(file, count)
            found["years"].append(_both_ways(file, SINCE, UNTIL))
    if _TRACE.is_file():
        found["trace"] = _both_ways(_TRACE, TRACE_SINCE, TRACE_UNTIL)
    else:
        print(f"no trace in {_TRACE.parent}: it is left out", file=sys.stderr)
    return found


def _both_ways(file: Path, since: datetime, until: datetime) -> dict[str, Any]:
    wall, cpu = perf_counter(), process_time()
    with file.open("rb") as stream:
        held = read_intervals(stream, file.name, columns=["project"], since=since, until=until)
    read = perf_counter()
    sums = meter(held, buckets(since, until, ZoneInfo("UTC"), Split.MONTH))
    done, cpu = perf_counter(), process_time() - cpu
    exact = np.zeros(len(held.group_names))
    places = {name: place for place, name in enumerate(held.group_names)}
    for row in sums:
        exact[places[row.group]] += row.milli_seconds
    started = perf_counter()
    sampled, samples, unseen = _sampled(held, second_of(since), second_of(until))
    naive = perf_counter() - started
    return {
        "rows": len(held.lines),
        "tenants": len(held.group_names),
        "seconds": round(done - wall, 3),
        "cpu_seconds": round(cpu, 3),
        "of_these_adding_up": round(done - read, 3),
        "naive_adding_up_seconds": round(naive, 3),
        "naive_sample_rows": samples,
        "naive_unseen_allocations": unseen,
        **_errors(exact, sampled),
    }


def _sampled(held: Intervals, since: int, until: int) -> tuple[Floats, int, int]:
    """Add up samples: whoever holds when a sample is taken is charged all of its 5 minutes.

    Return milli-seconds by tenant, how many rows of samples that is, and how many allocations no
    sample ever saw.
    """
    starts, ends = np.maximum(held.starts, since), np.minimum(held.ends, until)
    first = -(-(starts - since) // SAMPLE_SECONDS)
    counts = np.maximum(-(-(ends - since) // SAMPLE_SECONDS) - first, 0)
    sums = np.zeros(len(held.group_names))
    for some in _portions(counts):
        # One row a sample, as a table of samples has them.
        rows = np.repeat(some, counts[some])
        weights = held.milli[rows].astype(np.float64)
        sums += np.bincount(held.groups[rows], weights, len(sums)) * SAMPLE_SECONDS
    unseen = int(((counts == 0) & (ends > starts)).sum())
    return sums, int(counts.sum()), unseen


def _portions(counts: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
    upto, at = np.cumsum(counts), 0
    while at < len(counts):
        wanted = (upto[at - 1] if at else 0) + _SAMPLES_AT_ONCE
        end = max(at + 1, int(np.searchsorted(upto, wanted, "right")))
        yield np.arange(at, end)
        at = end


def _errors(exact: Floats, sampled: Floats) -> dict[str, float]:
    """Return by how many percent the samples miss tenants and the total."""
    held = exact > 0
    off = np.abs(sampled[held] - exact[held]) / exact[held] * _PERCENT
    total = abs(float(sampled.sum() - exact.sum())) / float(exact.sum()) * _PERCENT
    return {
        "naive_error_pct_median": round(float(np.median(off)), 4),
        "naive_error_pct_p95": round(float(np.percentile(off, 95)), 4),
        "naive_error_pct_worst": round(float(off.max()), 4),
        "naive_error_pct_of_total": round(total, 5),
    }


def _write_year(file: Path, count: int) -> None:
    """Write a year of allocations: most last minutes, some days; seeded."""
    random = np.random.default_rng(count)
    length = second_of(UNTIL) - second_of(SINCE)
    starts = second_of(SINCE) + random.integers(0, length, count)
    lasts = np.minimum(random.lognormal(7.2, 1.9, count), 30 * 86_400).astype(np.int64)
    # Tenants differ: a few have most of the rows, and some have short jobs only.
    tenants = np.minimum(random.zipf(1.4, count) - 1, _TENANTS - 1)
    lasts = np.where(tenants % 7 == 3, lasts % 900, lasts)
    milli = random.choice(
        [125, 250, 500, 1000, 2000, 8000], count, p=[0.1, 0.1, 0.1, 0.5, 0.1, 0.1]
    )
    begun = _texts(starts)
    ended = _texts(starts + lasts)
    with file.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream)
        writer.writerow(["allocation_id", "project", "gpu_milli", "start", "end"])
        ids = (f"alloc-{n:07d}" for n in range(count))
        projects = (f"tenant-{tenant:03d}" for tenant in tenants.tolist())
        writer.writerows(zip(ids, projects, milli.tolist(), begun, ended, strict=True))


def _texts(seconds: NDArray[np.int64]) -> list[str]:
    moments = np.datetime_as_string(seconds.astype("datetime64[s]"))
    return [f"{moment}Z" for moment in moments.tolist()]


def print_table(found: dict[str, Any]) -> None:
    """Print the figures."""
    print(f"metering, and samples of {found['sample_seconds']} s")
    print(
        f"{'rows':>10} {'seconds':>8} {'cpu':>7} {'adding up':>10} {'samples':>12} "
        f"{'adding up':>10} {'median':>8} {'worst':>9} {'unseen':>8}"
    )
    for row in [*found["years"], *([found["trace"]] if "trace" in found else [])]:
        print(
            f"{row['rows']:>10,} {row['seconds']:>8.2f} {row['cpu_seconds']:>7.2f} "
            f"{row['of_these_adding_up']:>9.2f}s {row['naive_sample_rows']:>12,} "
            f"{row['naive_adding_up_seconds']:>9.2f}s {row['naive_error_pct_median']:>7.3f}% "
            f"{row['naive_error_pct_worst']:>8.2f}% {row['naive_unseen_allocations']:>8,}"
        )


if __name__ == "__main__":
    sys.exit(main())
