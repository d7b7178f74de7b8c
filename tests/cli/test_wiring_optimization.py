from datetime import timedelta

from sqlalchemy import func, select

from gpu_management.cli.wiring_metrics import jobs_of
from gpu_management.cli.wiring_optimization import policies_of, reclaim_job
from gpu_management.core.settings import Metrics, Optimization
from gpu_management.metrics.embedded import Embedded
from gpu_management.optimization.manners import Policy
from gpu_management.optimization.models import Suggestion
from tests.optimization.test_jobs import measure
from tests.support.house import House


def test_idleness_is_only_suggested_unless_somebody_says_more() -> None:
    policies = policies_of(Optimization())
    assert policies.of(team="ml", namespace="ml", is_ours=True) is Policy.SUGGEST
    assert policies.grace == timedelta(hours=1)


def test_what_yaml_takes_for_false_is_the_policy_off() -> None:
    told = Optimization.model_validate(
        {"idle_policy": "release", "idle_namespaces": {"production": False}}
    )
    policies = policies_of(told)
    assert policies.of(team=None, namespace="production", is_ours=True) is Policy.OFF
    assert policies.of(team=None, namespace="ml", is_ours=True) is Policy.RELEASE


def test_the_job_looks_and_acts(house: House) -> None:
    house.node()
    house.request()
    measure(house, 0.0)
    job = reclaim_job(house.database, Embedded(), Optimization(), interval_seconds=15)
    job.run(house.now)
    job.run(house.now)
    with house.database.read() as session:
        assert session.scalar(select(func.count()).select_from(Suggestion)) == 1


def test_with_a_prometheus_minutes_are_copied_instead_of_made(house: House) -> None:
    told = Metrics(backend="promql", prometheus_url="http://prometheus:9090")
    names = {job.name for job in jobs_of(house.database, told, Embedded())}
    assert names == {"metrics-copy", "metrics-purge"}
    assert "metrics-roll-up" in {job.name for job in jobs_of(house.database, Metrics(), Embedded())}
