"""`gpuctl costs meter`: the guide's examples, the published oracle, and how it fails."""

import gzip
import os
import re
import shlex
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gpu_management.cli.main import build
from tests.support.cli import Ran, gpuctl

ROOT = Path(__file__).resolve().parents[2]
GUIDE = (ROOT / "docs/guides/offline-metering.md").read_text(encoding="utf-8")
DATA = Path(os.environ.get("GPU_MANAGEMENT_TEST_DATA", ROOT.parent / "shared" / "data")) / "usage"
HEADER = "allocation_id,project,gpu_milli,start,end\n"
WINDOW = ("--from", "2025-01-01", "--to", "2025-03-01")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (table,) = re.findall(r"```csv\n(.*?)```", GUIDE, re.DOTALL)
    (tmp_path / "allocations.csv").write_text(table)
    (tmp_path / "reversed.csv").write_text(f"{HEADER}a,p,1,2025-01-05,2025-01-04\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def meter(*arguments: str) -> Ran:
    """Run the command; it must not look for a server."""
    return gpuctl(None, "costs", "meter", *arguments, columns=120)


@pytest.mark.parametrize("example", re.findall(r"```console\n(.*?)```", GUIDE, re.DOTALL))
def test_the_guide_shows_what_happens(folder: Path, example: str) -> None:
    typed, told = example.split("\n", 1)
    ran = gpuctl(None, *shlex.split(typed.removeprefix("$ gpuctl ")), columns=120)
    assert (ran.err if ran.code else ran.out) == told
    assert ran.code == (2 if told.startswith("error") else 0)


def test_the_published_sums_are_met_to_the_last_integer(tmp_path: Path) -> None:
    if not DATA.is_dir():
        pytest.skip(f"the usage trace is not in {DATA.name}: set GPU_MANAGEMENT_TEST_DATA")
    out = tmp_path / "out.csv"
    window = ("--from", "2025-01-20T00:00:00Z", "--to", "1740009600")
    file = str(DATA / "allocations_2025.csv.gz")
    ran = meter(file, *window, "--group-by", "project,month", "--csv", str(out))
    assert ran.code == 0, ran.err
    published = (DATA / "expected_metering.csv").read_text().splitlines()
    wanted = [",".join(line.split(",")[:5]) for line in published]
    assert out.read_text().splitlines() == wanted
    assert "2896228499000 milli-GPU-seconds, 804507.916389 GPU-hours" in ran.out


def test_the_file_is_written_and_a_sentence_said(folder: Path) -> None:
    ran = meter("allocations.csv", *WINDOW, "--csv", "sums.csv")
    assert ran.out.startswith("sums.csv: 5 intervals, 4 sums, 733500000 milli-GPU-seconds")
    assert (folder / "sums.csv").read_bytes().count(b"\n") == 5
    assert b"\r" not in (folder / "sums.csv").read_bytes()


def test_standard_input_is_read_and_the_sentence_stays_out_of_standard_output(
    folder: Path,
) -> None:
    content = gzip.compress((folder / "allocations.csv").read_bytes())
    arguments = ["costs", "meter", "-", *WINDOW, "--group-by", "month", "--csv", "-"]
    ran = CliRunner().invoke(build(), arguments, input=content)
    assert ran.stdout.splitlines() == [
        "month_utc,allocations,gpu_milli_seconds,gpu_hours",
        "2025-01,3,706500000,196.250000",
        "2025-02,2,27000000,7.500000",
    ]
    assert ran.stderr.startswith("5 intervals")


def test_any_column_may_be_grouped_by(folder: Path) -> None:
    ran = meter("allocations.csv", *WINDOW, "--group-by", "allocation_id", "--csv", "-")
    assert [line.split(",")[0] for line in ran.lines[1:]] == ["a1", "a2", "a3", "a5"]


def test_formulas_are_disarmed(folder: Path) -> None:
    (folder / "odd.csv").write_text(HEADER + "a,=1+1,1,,\n")
    ran = meter("odd.csv", *WINDOW, "--csv", "-")
    assert ran.lines[1].startswith("'=1+1,2025-01,")


def test_nothing_held_leaves_the_header(folder: Path) -> None:
    (folder / "none.csv").write_text(HEADER)
    assert meter("none.csv", *WINDOW, "--csv", "-").lines == [
        "project,month_utc,allocations,gpu_milli_seconds,gpu_hours"
    ]


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("missing.csv", *WINDOW), "cannot read missing.csv: No such file"),
        ((".", *WINDOW), "cannot read .: Is a directory"),
        (("allocations.csv", "--from", "2025-03-01", "--to", "2025-01-01"), "reversed or empty"),
        (("allocations.csv", "--from", "x", "--to", "2025-01-01"), "--from is neither"),
        (("allocations.csv", "--from", "2025-01-01", "--to", "1e5"), "--to is neither"),
        (("allocations.csv", *WINDOW, "--timezone", "Mars"), "--timezone takes a name"),
        (("allocations.csv", *WINDOW, "--timezone", "../x"), "--timezone takes a name"),
        (("allocations.csv", *WINDOW, "--group-by", "user"), "no column 'user'"),
        (("allocations.csv", *WINDOW, "--group-by", "day,month"), "not both"),
    ],
)
def test_wrong_usage_is_2_and_told_in_a_line(
    folder: Path, arguments: tuple[str, ...], why: str
) -> None:
    ran = meter(*arguments, "--csv", "sums.csv")
    assert (ran.code, ran.out) == (2, "")
    assert why in ran.err
    assert not (folder / "sums.csv").exists()


def test_a_place_that_cannot_be_written_is_told(folder: Path) -> None:
    ran = meter("allocations.csv", *WINDOW, "--csv", "no/such/folder.csv")
    assert (ran.code, ran.out) == (1, "")
    assert "cannot write no/such/folder.csv" in ran.err
