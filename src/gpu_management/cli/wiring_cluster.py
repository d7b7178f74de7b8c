"""The part of a process that faces a Kubernetes cluster, from its settings."""

import os
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from gpu_management.allocations.binding import Patience
from gpu_management.allocations.enforcement import STANDALONE, EnforcementMode, Rules
from gpu_management.allocations.office import Office
from gpu_management.cluster.live import ConnectionUnusable, LiveCluster
from gpu_management.controller.cluster import ClusterDesk, Terms
from gpu_management.controller.loops import Job
from gpu_management.controller.repartition import Repartitioner
from gpu_management.controller.repartition_collector import CollectorHands
from gpu_management.core.clock import Clock
from gpu_management.core.database import Database
from gpu_management.core.settings import Settings
from gpu_management.core.settings_items import SettingsError
from gpu_management.mig.execution import Method


def rules_of(settings: Settings) -> Rules:
    """Return how allocations are enforced."""
    told = settings.cluster
    if told.connection == "none":
        return STANDALONE
    namespaces = {name: EnforcementMode(mode) for name, mode in told.enforcement_namespaces.items()}
    return Rules(EnforcementMode(told.enforcement), namespaces)


def patience_of(settings: Settings) -> Patience:
    """Return how long allocations are kept for pods."""
    told = settings.cluster
    after = timedelta(seconds=told.release_after_pod_seconds)
    until = timedelta(seconds=settings.allocations.binding_deadline_seconds)
    return Patience(after if told.release_with_pod else None, until or None)


def method_of(settings: Settings) -> Method:
    """Return who cuts GPUs when nobody says: without a cluster nobody has to."""
    return Method.LEDGER if settings.cluster.connection == "none" else Method.MIG_MANAGER


def cluster_jobs(
    settings: Settings, database: Database, clock: Clock, office: Office
) -> Sequence[Job]:
    """Return what runs for the cluster; without one, plans are carried out in the ledger.

    Raises:
        SettingsError: the settings do not lead to a cluster.
    """
    told = settings.cluster
    if settings.server.role == "api":
        return ()  # who only answers needs no way to the cluster, and no rights there
    if told.connection == "none":
        hands = CollectorHands(database, told.name) if told.mig_by_collectors else None
        worker = Repartitioner(database, told.name, hands=hands, keeper=office.placer.keeper)
        return [Job("mig-plans", told.sync_seconds, worker.run)]
    try:
        cluster = LiveCluster(_file(settings), told.context)
    except ConnectionUnusable as unusable:
        raise SettingsError([f"cluster.connection: {unusable}"]) from unusable
    terms = Terms(
        cluster_name=told.name,
        mode=rules_of(settings).mode,
        sync_seconds=told.sync_seconds,
        enforce_seconds=told.enforce_seconds,
        deadline_seconds=told.enforcement_deadline_seconds,
        patience=patience_of(settings),
        pool_labels=settings.billing.node_pool_labels,
    )
    return ClusterDesk(database, cluster, terms, clock=clock, office=office).jobs()


def _file(settings: Settings) -> Path | None:
    """Return the kubeconfig: the one that is set, else the one kubectl would take."""
    if settings.cluster.connection == "in-cluster":
        return None
    told = settings.cluster.kubeconfig or os.environ.get("KUBECONFIG") or "~/.kube/config"
    return Path(told).expanduser()
