import math
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gpu_management.optimization.idle import IdleRule, RecentMean, Sample, totals, verdicts
from gpu_management.optimization.replay import replay
from gpu_management.optimization.series import SeriesInvalid, read_series

ROOT = Path(__file__).resolve().parents[2]
DATA = Path(os.environ.get("GPU_MANAGEMENT_TEST_DATA", ROOT.parent / "shared" / "data")) / "usage"
START = 1_700_000_000 - 1_700_000_000 % 3600
RULE = IdleRule()


def hours(*busy: float, every: int = 60, start: int = START) -> list[Sample]:
    """Return samples of hours that were each as busy as told."""
    return [
        Sample(start + 3600 * hour + second, pct)
        for hour, pct in enumerate(busy)
        for second in range(0, 3600, every)
    ]


def test_a_gpu_that_did_nothing_is_predicted_to_do_nothing() -> None:
    (first, second) = verdicts(hours(0, 0, 0), RULE)
    assert first.hour_start_ts == START + 3600
    assert first.idle_predicted
    assert first.idle_actual
    assert second.idle_predicted
    assert second.idle_actual


def test_one_quiet_hour_of_a_busy_service_is_not_idleness() -> None:
    found = list(verdicts(hours(40, 40, 0, 0, 0, 0, 0), RULE))
    assert [verdict.idle_predicted for verdict in found] == [
        False,
        False,
        False,
        False,
        False,
        True,
    ]


def test_the_mean_fades_by_age_and_not_by_count() -> None:
    recent = RecentMean(100)
    assert recent.value() is None
    recent.see(Sample(0, 10))
    recent.see(Sample(100, 0))
    faded = math.exp(-1)
    assert recent.value() == pytest.approx(10 * faded / (1 + faded))


def test_an_hour_with_too_few_samples_gives_no_verdict_and_ends_the_chain() -> None:
    sparse = [*hours(0, every=60), *hours(0, every=70, start=START + 3600)]
    assert list(verdicts(sparse, RULE)) == []
    after = [*sparse, *hours(0, 0, start=START + 7200)]
    assert [verdict.hour_start_ts for verdict in verdicts(after, RULE)] == [START + 3 * 3600]


@given(st.lists(st.sampled_from([0.0, 0.4, 1.2, 30.0]), min_size=3, max_size=9), st.data())
def test_a_prediction_uses_only_what_lies_before_its_hour(
    busy: list[float], data: st.DataObject
) -> None:
    samples = hours(*busy)
    cut = START + 3600 * data.draw(st.integers(2, len(busy)))
    told = list(verdicts(samples, RULE))
    known = [verdict for verdict in told if verdict.hour_start_ts < cut]
    assert known == list(verdicts([one for one in samples if one.ts < cut], RULE))
    changed = [one if one.ts < cut else Sample(one.ts, 99) for one in samples]
    at_cut = [verdict for verdict in told if verdict.hour_start_ts == cut]
    other = [one for one in verdicts(changed, RULE) if one.hour_start_ts == cut]
    assert [one.score_pct for one in at_cut] == [one.score_pct for one in other]


def test_totals_of_nothing_have_no_ratio() -> None:
    assert totals([]).precision is None
    assert totals([]).recall is None


def test_a_file_in_any_order_with_gaps_is_read(tmp_path: Path) -> None:
    file = tmp_path / "s.csv"
    file.write_text("ts,pod,duty_pct,mem\n120,b,,1\n60,a,5,1\n0,a,1.5,1\n60,a,7,1\n")
    assert read_series(file) == {"a": [Sample(0, 1.5), Sample(60, 7.0)], "b": []}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "no column pod, ts, duty_pct"),
        ("pod,ts\na,1\n", "no column duty_pct"),
        ("pod,ts,duty_pct\na,1\n", "line 2: 2 values for 3 columns"),
        ("pod,ts,duty_pct\na,soon,1\n", "line 2: ts must be whole Unix seconds"),
        ("pod,ts,duty_pct\na,1,nan\n", "line 2: duty_pct nan is not within 0 to 100"),
        ("pod,ts,duty_pct\na,1,101\n", "line 2: duty_pct 101 is not within"),
        ("pod,ts,duty_pct\na,-5,1\n", "line 2: ts -5 is no time"),
        ("pod,ts,duty_pct\n,5,1\n", "line 2: the pod has no name"),
    ],
)
def test_a_bad_file_is_refused_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "s.csv"
    file.write_text(text)
    with pytest.raises(SeriesInvalid, match=told):
        read_series(file)


def test_on_a_day_of_production_pods_most_predictions_come_true() -> None:
    file = DATA / "pod_gpu_util.csv.gz"
    if not file.is_file():
        pytest.skip(f"the usage trace is not in {DATA.name}: set GPU_MANAGEMENT_TEST_DATA")
    found = replay(read_series(file))["totals"]
    assert found["cases"] == 1459
    assert found["precision"] > 0.93
    assert found["recall"] > 0.79
    assert round(found["baseline"]["precision"], 2) == 0.89
    assert round(found["baseline"]["recall"], 2) == 0.75
