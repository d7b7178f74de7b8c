"""Measure the ledger: a year of a million holds on 6,212 GPUs, on SQLite and on PostgreSQL.

    python -m benchmarks.costs [--sizes 10000,100000,1000000] [--postgres] [--json FILE]

Holds are generated from a fixed seed and written in bulk; days are closed by the product's job.
What was generated and closed is kept in a folder, so the figures can be taken again in a minute.
"""

import argparse
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter, process_time
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy.orm import Session
from sqlalchemy.schema import CreateTable

from benchmarks.cost_data import BEGINS, CLUSTER, ENDS, fill
from gpu_management.cli.wiring import prepare
from gpu_management.core.database import Database, open_database
from gpu_management.costs import jobs, service, statements
from gpu_management.costs.grouping import Dimension, Question, added_up
from gpu_management.migrations.tables import METADATA
from gpu_management.rates.service import BookKeeper
from tests.support import postgres
from tests.support.principals import ADMIN

SIZES = (10_000, 100_000, 1_000_000)
_KEPT = Path("bench-results")


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure every size on SQLite, the largest on PostgreSQL too; print a table."""
    parser = argparse.ArgumentParser(description="Measure the ledger.")
    parser.add_argument("--sizes", default=",".join(map(str, SIZES)))
    parser.add_argument("--postgres", action="store_true")
    parser.add_argument("--json", type=Path)
    options = parser.parse_args(arguments)
    sizes = [int(text) for text in options.sizes.split(",")]
    figures = measure(sizes, with_postgres=options.postgres)
    print_table(figures)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


def measure(sizes: Sequence[int], *, with_postgres: bool) -> list[dict[str, Any]]:
    """Return the figures of each size and engine."""
    found = []
    for size in sizes:
        with _sqlite(size) as (database, closing):
            found.append({"engine": "SQLite", **_measure(database, size, closing)})
    if with_postgres:
        try:
            with postgres.running(durable=True) as server:
                database = server.fresh_database()
                closing = _made(database, max(sizes))
                found.append({"engine": "PostgreSQL", **_measure(database, max(sizes), closing)})
                database.close()
        except pytest.skip.Exception as missing:
            print(f"{missing}; it is left out", file=sys.stderr)
    return found


@contextmanager
def _sqlite(size: int) -> Iterator[tuple[Database, dict[str, Any]]]:
    """Yield a database with its days closed, and how closing them went; made once, then kept."""
    kept = _KEPT / f"ledger-{size}-{_digest()}.db"
    told = kept.with_suffix(".json")
    if not told.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        making = kept.with_suffix(".making")
        for leftover in kept.parent.glob(f"{making.name}*"):
            leftover.unlink()
        database = open_database(f"sqlite:///{making}")
        closing = _made(database, size)
        database.close()
        shutil.move(making, kept)
        told.write_text(json.dumps(closing))
    database = open_database(f"sqlite:///{kept}")
    yield database, json.loads(told.read_text())
    database.close()


def _digest() -> str:
    """Return what changes whenever a table does: kept databases of other schemas are no use."""
    texts = [str(CreateTable(table)) for table in METADATA.sorted_tables]
    texts += sorted(str(index) for table in METADATA.tables.values() for index in table.indexes)
    return hashlib.sha256("".join(texts).encode()).hexdigest()[:10]


def _made(database: Database, size: int) -> dict[str, Any]:
    prepare(database, CLUSTER, lambda: BEGINS)
    fill(database, size)
    started, worked = perf_counter(), process_time()
    days = _close(database, _desk())
    return {
        "closing s": round(perf_counter() - started, 1),
        "of it CPU s": round(process_time() - worked, 1),
        "days": days,
    }


def _desk() -> service.Desk:
    """Return a desk that knows nothing yet, as a process that has just begun."""
    return service.Desk("USD", ZoneInfo("UTC"), BookKeeper())


def print_table(figures: Sequence[dict[str, Any]]) -> None:
    """Print one line for each engine and size."""
    names = [name for name in figures[0] if name not in {"engine", "holds"}]
    print("| | holds | " + " | ".join(names) + " |")
    print("|---" * (len(names) + 2) + "|")
    for row in figures:
        cells = " | ".join(str(row[name]) for name in names)
        print(f"| {row['engine']} | {row['holds']:,} | {cells} |")


def _measure(database: Database, size: int, closing: dict[str, Any]) -> dict[str, Any]:
    desk = _desk()
    days = (Dimension.TEAM, Dimension.DAY)

    def by(count: int) -> Callable[[Session], Any]:
        asked = _window(desk, count, *days)
        return lambda session: added_up(session, desk.terms(session), asked)

    return {
        "holds": size,
        **closing,
        "30 days ms": _time(database, by(30)),
        "year ms": _time(database, by(365)),
        "today ms": _time(database, by(1)),
        "analysis ms": _time(database, lambda s: _analysis(s, desk)),
        "tile first ms": _time(database, lambda s: _tile(s, _desk())),
        "tile ms": _time(database, lambda s: _tile(s, desk)),
        "month's bill ms": _time(
            database, lambda s: statements.bill(s, desk, "2026-10", now=ENDS), times=1
        ),
        "closed = raw": _equals_raw(database, desk, size),
        "load": round(os.getloadavg()[0], 1),
    }


def _window(desk: service.Desk, days: int, *groups: Dimension) -> Question:
    window = service.last_days(desk, days, now=ENDS)
    return Question(window.since, window.until, groups)


def _analysis(session: Session, desk: service.Desk) -> Any:
    return service.analysis(session, desk, days=30, reader=service.Reader(ADMIN), now=ENDS)


def _tile(session: Session, desk: service.Desk) -> Any:
    return service.today_and_month(session, desk, now=ENDS)


def _time(database: Database, ask: Callable[[Session], Any], *, times: int = 5) -> float:
    """Return the median of a few runs in milliseconds; each has a session of its own."""
    runs = []
    for _ in range(times):
        with database.read() as session:
            started = perf_counter()
            ask(session)
            runs.append(perf_counter() - started)
    return round(sorted(runs)[len(runs) // 2] * 1000, 1)


def _close(database: Database, desk: service.Desk) -> int:
    done = 0
    while True:
        with database.write() as session:
            made = jobs.close_days(session, desk, now=ENDS)
        done += made
        if not made:
            return done


def _equals_raw(database: Database, desk: service.Desk, size: int) -> str:
    """Compare closed days with the holds costed one by one, over a month or the whole year."""
    days = 365 if size <= SIZES[1] else 30
    window = service.last_days(desk, days, now=ENDS)
    with database.read() as session:
        terms = desk.terms(session)
        groups = (Dimension.TEAM, Dimension.DAY)
        asked = Question(window.since, window.until, groups)
        closed = {key: sums.micros for key, sums in added_up(session, terms, asked).items()}
        raw: dict[tuple[Any, ...], int] = {}
        for piece in service.pieces(session, terms.book, desk.zone, window):
            key = (piece.hold.team_id, piece.day)
            raw[key] = raw.get(key, 0) + (piece.micros or 0)
    return f"{closed == raw} ({days} d)"


if __name__ == "__main__":
    sys.exit(main())
