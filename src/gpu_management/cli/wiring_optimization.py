"""Put the reclaiming of idle GPUs together from the settings."""

from datetime import datetime, timedelta

from gpu_management.controller.loops import Job
from gpu_management.core.database import Database
from gpu_management.core.settings import Optimization
from gpu_management.metrics.store import Store
from gpu_management.optimization import jobs
from gpu_management.optimization.manners import Policies, Policy


def policies_of(told: Optimization) -> Policies:
    """Return what is done about idle allocations, and for whom something else."""
    return Policies(
        Policy(told.idle_policy),
        {name: Policy(policy) for name, policy in told.idle_teams.items()},
        {name: Policy(policy) for name, policy in told.idle_namespaces.items()},
        timedelta(seconds=told.idle_grace_seconds),
    )


def reclaim_job(
    database: Database, store: Store, told: Optimization, *, interval_seconds: int
) -> Job:
    """Return the job that looks for idle allocations and does what the policy says."""
    policies = policies_of(told)

    def look(now: datetime) -> None:
        with database.read() as session:
            idle = jobs.look(session, store, interval_seconds=interval_seconds, now=now)
            due = jobs.is_due(session, idle, policies, now=now)
        if due:
            with database.write() as session:
                jobs.act(session, idle, policies, now=now)

    return Job("idle-reclaim", told.idle_look_seconds, look)
