import json
from pathlib import Path

from tests.support.cli import gpuctl


def written(folder: Path) -> Path:
    """Return a file of a pod that was busy for two hours and then quiet for six."""
    rows = [
        f"train-1,{1_700_000_000 - 1_700_000_000 % 3600 + second},{50 if second < 7200 else 0}"
        for second in range(0, 8 * 3600, 60)
    ]
    file = folder / "series.csv"
    file.write_text("\n".join(["pod,ts,duty_pct", *rows]) + "\n")
    return file


def test_idle_hours_are_predicted_from_a_file(tmp_path: Path) -> None:
    out = tmp_path / "out.json"
    ran = gpuctl(None, "optimize", "idle", "--series", str(written(tmp_path)), "--json", str(out))
    assert ran.code == 0
    assert "7 judged, 6 of them idle" in ran.out
    found = json.loads(out.read_text())
    assert [verdict["idle_predicted"] for verdict in found["verdicts"]] == [False] * 6 + [True]
    assert found["verdicts"][0].keys() == {"pod", "hour_start_ts", "idle_predicted", "idle_actual"}
    assert found["totals"]["precision"] == 1
    assert found["totals"]["recall"] == 1 / 6


def test_a_missing_or_bad_file_is_wrong_usage(tmp_path: Path) -> None:
    ran = gpuctl(None, "optimize", "idle", "--series", str(tmp_path / "none.csv"))
    assert ran.code == 2
    assert "there is no file" in ran.err
    bad = tmp_path / "bad.csv"
    bad.write_text("pod,ts\n")
    ran = gpuctl(None, "optimize", "idle", "--series", str(bad))
    assert ran.code == 2
    assert "no column duty_pct" in ran.err
