import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LABELS = 'gpu="0",UUID="GPU-a"'
GOOD = "".join(
    f"{name}{{{LABELS}}} 42\n"
    for name in ("DCGM_FI_DEV_GPU_TEMP", "DCGM_FI_DEV_FB_USED", "DCGM_FI_DEV_POWER_USAGE")
)


def check(folder: Path, text: str, *options: str) -> "subprocess.CompletedProcess[str]":
    file = folder / "scrape.prom"
    file.write_text(text)
    command = [sys.executable, "-I", str(ROOT / "tools/metrics-validation.py"), str(file), *options]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_is_right_passes(tmp_path: Path) -> None:
    told = check(tmp_path, "# HELP x y\n" + GOOD)
    assert (told.returncode, told.stdout.splitlines()[-1]) == (0, "all well")


@pytest.mark.parametrize(
    ("line", "sentence"),
    [
        (f"DCGM_FI_DEV_GPU_UTIL{{{LABELS}}} 140", "is 140, not within 0 to 100"),
        (f"DCGM_FI_PROF_SM_ACTIVE{{{LABELS}}} 45", "is 45, not within 0 to 1.001"),
        (f"DCGM_FI_DEV_XID_ERRORS{{{LABELS}}} 9223372036854775794", "is a blank value"),
        (f"DCGM_FI_DEV_GPU_UTIL{{{LABELS}}} NaN", "is nan"),
        ('DCGM_FI_DEV_GPU_UTIL{gpu="1"} 4', "has a row without UUID"),
        ('DCGM_FI_DEV_GPU_UTIL{UUID="GPU-a"} 4', "has no label gpu"),
        (f"DCGM_FI_DEV_GPU_TEMP{{{LABELS}}} 42", "is there twice"),
        (f"DCGM_FI_DEV_GPU_UTIL{{{LABELS}}} 4 1000", "s old"),
        ('DCGM_FI_DEV_FB_USED{gpu="1",UUID="GPU-b"} 4', "DCGM_FI_DEV_GPU_TEMP is missing"),
        ("<html>", "line 4 is no sample"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, line: str, sentence: str) -> None:
    told = check(tmp_path, GOOD + line + "\n")
    assert told.returncode == 1
    assert sentence in told.stdout


def test_a_source_that_is_not_there_is_told_apart(tmp_path: Path) -> None:
    command = [sys.executable, "-I", str(ROOT / "tools/metrics-validation.py")]
    away = subprocess.run(
        [*command, "http://127.0.0.1:9/metrics"], capture_output=True, text=True, check=False
    )
    assert away.returncode == 3
    assert "does not answer" in away.stderr
    assert subprocess.run(command, capture_output=True, check=False).returncode == 2


def test_the_samples_of_real_exporters_pass() -> None:
    folder = ROOT.parent / "shared" / "data" / "dcgm"
    if not folder.is_dir():
        pytest.skip("the samples of expositions are not here")
    for file in folder.glob("*.prom"):
        command = [sys.executable, str(ROOT / "tools/metrics-validation.py"), str(file)]
        told = subprocess.run(command, capture_output=True, text=True, check=False)
        assert told.returncode == 0, told.stdout
