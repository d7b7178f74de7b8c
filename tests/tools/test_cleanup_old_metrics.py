import os
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from gpu_management.core.database import Database
from gpu_management.metrics.models import MinuteUse, Sample
from tests.support.house import House, prepared_database

SCRIPT = Path(__file__).resolve().parents[2] / "tools/cleanup-old-metrics.sh"


def clean(url: str, *options: str) -> "subprocess.CompletedProcess[str]":
    environ = os.environ | {"DATABASE_URL": url}
    return subprocess.run(
        ["bash", str(SCRIPT), *options],
        capture_output=True,
        text=True,
        check=False,
        env=environ,
        timeout=60,
    )


def fill(database: Database) -> None:
    """Write 30 samples of ten hours ago and 10 of now, and a minute of 40 days ago."""
    now = datetime.now(UTC).replace(microsecond=0)
    with database.write() as session:
        for place in range(40):
            since = now - (timedelta(hours=10) if place < 30 else timedelta())
            at = since + timedelta(seconds=place)
            session.add(Sample(created_at=at, device_id=1, gpu_instance_id=-1))
        old = int(time.time()) - 40 * 86_400
        session.add(
            MinuteUse(device_id=1, gpu_instance_id=-1, at_ts=old, samples=4, utilization_samples=4)
        )


def counts(database: Database) -> tuple[int, int]:
    with database.read() as session:
        found = [session.scalar(select(func.count()).select_from(t)) for t in (Sample, MinuteUse)]
    return found[0] or 0, found[1] or 0


def test_old_rows_go_in_batches_and_are_reported(tmp_path: Path) -> None:
    database = prepared_database(tmp_path)
    fill(database)
    url = f"sqlite:///{tmp_path / 'house.db'}"
    dry = clean(url, "--dry-run")
    assert "gpu_usage_metrics: 30 rows would go" in dry.stdout, dry.stderr
    assert counts(database) == (40, 1)
    told = clean(url, "--batch", "7")
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines()[:2] == [
        "gpu_usage_metrics: 30 rows deleted",
        "gpu_usage_minutes: 1 rows deleted",
    ]
    assert counts(database) == (10, 0)
    database.close()


def test_no_more_goes_than_is_allowed_at_once(tmp_path: Path) -> None:
    database = prepared_database(tmp_path)
    fill(database)
    told = clean(f"sqlite:///{tmp_path / 'house.db'}", "--batch", "5", "--most", "10")
    assert told.returncode == 3
    assert "more is left" in told.stderr
    assert counts(database)[0] == 30
    database.close()


@pytest.mark.parametrize("options", [["--batch", "0"], ["--samples-hours", "x"], ["--what"]])
def test_a_slip_of_the_keyboard_deletes_nothing(tmp_path: Path, options: list[str]) -> None:
    database = prepared_database(tmp_path)
    fill(database)
    assert clean(f"sqlite:///{tmp_path / 'house.db'}", *options).returncode == 2
    assert clean("", *options[:0]).returncode == 2
    assert counts(database) == (40, 1)
    database.close()


@pytest.mark.integration
def test_it_cleans_postgresql_too(postgres_house: House) -> None:
    fill(postgres_house.database)
    url = postgres_house.database.engine.url.set(drivername="postgresql")
    told = clean(url.render_as_string(hide_password=False), "--batch", "7")
    assert told.returncode == 0, told.stderr
    assert counts(postgres_house.database) == (10, 0)
