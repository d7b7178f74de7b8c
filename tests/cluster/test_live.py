"""The real API server keeps the protocol's promises, and so do we."""

import threading
from pathlib import Path

import pytest

from gpu_management.cluster.claims import Pin, pinned_claim, read_claim
from gpu_management.cluster.live import ConnectionUnusable, LiveCluster
from gpu_management.cluster.mirror import Mirror
from gpu_management.cluster.protocol import (
    ClusterForbids,
    EvictionDelayed,
    Kind,
    ObjectExists,
    ObjectGone,
    ObjectRefused,
    VersionTooOld,
)
from gpu_management.cluster.slices import read_pools
from gpu_management.cluster.trim import TRIMS
from gpu_management.core.clock import utc_now
from tests.controlplane.admin import Admin, generic, until
from tests.controlplane.plane import ControlPlane
from tests.support.kube import gpu, mig, pod

pytestmark = pytest.mark.cluster

CLAIM = pinned_claim("a-1", "ml", [Pin(uuid="GPU-a")], owner={"team-id": "t"})


def test_objects_are_read_as_the_driver_wrote_them(live_cluster: LiveCluster, admin: Admin):
    cut = mig(1, "GPU-b", "3g.40gb", start=4, uuid="MIG-1", slices=4)
    admin.add_node("live-1", [gpu(0, "GPU-a"), cut])
    [pool] = read_pools(live_cluster.list(Kind.SLICE).objects)
    card, part = pool.devices
    assert (pool.node, card.uuid, card.memory_mib) == ("live-1", "GPU-a", 81920)
    assert (part.uuid, part.placement_start) == ("MIG-1", 4)


def test_a_claim_is_made_once_found_changed_and_deleted(live_cluster: LiveCluster, admin: Admin):
    made = live_cluster.create(Kind.CLAIM, CLAIM)
    with pytest.raises(ObjectExists):
        live_cluster.create(Kind.CLAIM, CLAIM)
    found = live_cluster.get(Kind.CLAIM, "gpualloc-a-1", namespace="ml")
    assert read_claim(found).uid == made["metadata"]["uid"]
    patch = {"metadata": {"labels": {"x": "y"}}}
    changed = live_cluster.merge(Kind.CLAIM, "gpualloc-a-1", patch, namespace="ml")
    assert changed["metadata"]["labels"]["x"] == "y"
    live_cluster.delete(Kind.CLAIM, "gpualloc-a-1", namespace="ml")
    for gone in (live_cluster.get, live_cluster.delete):
        with pytest.raises(ObjectGone):
            gone(Kind.CLAIM, "gpualloc-a-1", namespace="ml")


def test_a_missing_namespace_and_an_invalid_name_are_told_apart(
    live_cluster: LiveCluster, admin: Admin
):
    with pytest.raises(ObjectGone):
        live_cluster.create(Kind.CLAIM, pinned_claim("a", "nowhere", [Pin(uuid="G")], owner={}))
    with pytest.raises(ObjectRefused):
        live_cluster.create(Kind.CLAIM, pinned_claim("A_", "ml", [Pin(uuid="G")], owner={}))


def test_the_server_accepts_the_selector_of_any_uuid(live_cluster: LiveCluster, admin: Admin):
    for number, uuid in enumerate(["it's", "back\\slash", "GPU-1"]):
        claim = pinned_claim(f"q-{number}", "ml", [Pin(uuid=uuid)], owner={})
        live_cluster.create(Kind.CLAIM, claim)


def test_a_version_from_before_a_restart_is_gone(
    plane: ControlPlane, live_cluster: LiveCluster, admin: Admin
):
    old = live_cluster.list(Kind.NODE).version
    for number in range(3):
        admin.add_node(f"live-old-{number}", [gpu(0, f"GPU-{number}")])
    plane.stop_apiserver()
    plane.start_apiserver()
    with pytest.raises(VersionTooOld):
        next(live_cluster.watch(Kind.NODE, old))


def test_wrong_credentials_and_missing_rights_are_forbidden(plane: ControlPlane):
    stranger = LiveCluster(plane.kubeconfig("nobody", "stranger"))
    with pytest.raises(ClusterForbids):
        stranger.ping()
    with pytest.raises(ClusterForbids):
        stranger.list(Kind.CLAIM)
    stranger.close()


def test_a_configuration_that_leads_nowhere_is_told_at_once(tmp_path: Path, plane: ControlPlane):
    with pytest.raises(ConnectionUnusable, match="no cluster"):
        LiveCluster(tmp_path / "missing")
    with pytest.raises(ConnectionUnusable, match="elsewhere"):
        LiveCluster(plane.kubeconfig(), "elsewhere")
    with pytest.raises(ConnectionUnusable, match="service account"):
        LiveCluster()


def test_an_eviction_honours_a_disruption_budget(live_cluster: LiveCluster, admin: Admin):
    admin.add_node("live-2", [gpu(0, "GPU-a")])
    admin.create(pod("kept", labels={"app": "kept"}, node_name="live-2"))
    budget = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "kept", "namespace": "ml"},
        "spec": {"minAvailable": 1, "selector": {"matchLabels": {"app": "kept"}}},
    }
    admin.ensure(budget)
    until(lambda: admin.pod("kept", "ml").status.phase == "Running")
    until(lambda: _delayed(live_cluster))
    admin.client.delete(generic(budget), "kept", namespace="ml")
    until(lambda: not _delayed(live_cluster))
    until(lambda: admin.pod("kept", "ml") is None)
    with pytest.raises(ObjectGone):
        live_cluster.evict("kept", namespace="ml")


def _delayed(cluster: LiveCluster) -> bool:
    try:
        cluster.evict("kept", namespace="ml")
    except EvictionDelayed:
        return True
    except ObjectGone:
        return False
    return False


def test_a_copy_follows_and_survives_a_restart_of_the_api_server(
    plane: ControlPlane, live_cluster: LiveCluster, admin: Admin
):
    copy = Mirror(live_cluster, list(Kind), clock=utc_now, trim=TRIMS, probe_seconds=0.2)
    copy.start()
    assert copy.wait_synced(20)
    admin.add_node("live-3", [gpu(0, "GPU-a")])
    until(lambda: copy.find(Kind.NODE, "", "live-3"))
    plane.stop_apiserver()
    until(lambda: copy.health().stale_since)
    assert copy.find(Kind.NODE, "", "live-3")
    plane.start_apiserver()
    admin.add_node("live-4", [gpu(0, "GPU-b")])
    until(lambda: copy.find(Kind.NODE, "", "live-4"))
    until(lambda: copy.health().stale_since is None)
    copy.stop()


def test_many_threads_may_use_one_connection(live_cluster: LiveCluster, admin: Admin):
    failures: list[Exception] = []

    def work(number: int) -> None:
        try:
            claim = pinned_claim(f"t-{number}", "ml", [Pin(uuid="GPU-a")], owner={})
            live_cluster.create(Kind.CLAIM, claim)
            live_cluster.delete(Kind.CLAIM, f"gpualloc-t-{number}", namespace="ml")
        except Exception as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=[n]) for n in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert failures == []
