"""Rights are exactly enough: the controller does all its work with them, and nothing else."""

from collections.abc import Iterator

import pytest

from gpu_management.cluster.claims import Pin, pinned_claim
from gpu_management.cluster.crd import FINALIZER, event_about, finalizer_patch, read_object
from gpu_management.cluster.live import LiveCluster
from gpu_management.cluster.pods import ALLOCATION_GATE
from gpu_management.cluster.protocol import (
    ClusterForbids,
    Kind,
    KindUnknown,
    ObjectGone,
    ObjectRefused,
)
from gpu_management.core.clock import utc_now
from tests.cluster.test_crd import allocation
from tests.controlplane.admin import Admin, until
from tests.controlplane.manifests import K8S, ApiServer, Thing, load
from tests.controlplane.plane import ControlPlane
from tests.support.kube import gpu_slice, node, pod

CONTROLLER = "gpu-management-controller"


def rules_of(role: str) -> list[Thing]:
    [found] = [
        thing
        for thing in load(K8S / "rbac.yaml")
        if thing["kind"] == "ClusterRole" and thing["metadata"]["name"] == role
    ]
    rules: list[Thing] = found["rules"]
    return rules


def test_no_right_is_for_everything():
    for thing in load(K8S / "rbac.yaml"):
        for rule in thing.get("rules", ()):
            assert "*" not in [*rule["apiGroups"], *rule["resources"], *rule["verbs"]]
            assert "secrets" not in rule["resources"]


def test_only_the_controller_is_bound_to_anything():
    bindings = [t for t in load(K8S / "rbac.yaml") if t["kind"].endswith("Binding")]
    accounts = [subject["name"] for binding in bindings for subject in binding["subjects"]]
    assert accounts == [CONTROLLER]


@pytest.fixture
def installed(api_server: ApiServer, admin: Admin) -> ApiServer:
    admin.prepare("gpu-management")
    for file in ("serviceaccount", "rbac", "crd"):
        for thing in load(K8S / f"{file}.yaml"):
            assert api_server.apply(thing).status_code < 300
    path = "/apis/gpu.company.com/v1/gpuallocations"
    until(lambda: api_server.http.get(path).status_code == 200)
    return api_server


@pytest.fixture
def controller(installed: ApiServer, plane: ControlPlane) -> Iterator[LiveCluster]:
    token = installed.token_of(CONTROLLER)
    cluster = LiveCluster(plane.kubeconfig(token, CONTROLLER))
    until(lambda: may_list(cluster))
    yield cluster
    cluster.close()


def may_list(cluster: LiveCluster) -> bool:
    try:
        cluster.list(Kind.CLAIM)
    except ClusterForbids:
        return False
    return True


@pytest.mark.cluster
def test_the_controller_may_do_all_that_it_does(controller: LiveCluster, installed: ApiServer):
    controller.ping()
    for kind in (Kind.NODE, Kind.POD, Kind.SLICE, Kind.CLAIM, Kind.ALLOCATION):
        since = controller.list(kind).version
        watch = controller.watch(kind, since)
        make = {Kind.NODE: node("r-node"), Kind.POD: pod("r-pod"), Kind.CLAIM: claim("r-0")}
        make |= {Kind.SLICE: gpu_slice("r-node", []), Kind.ALLOCATION: allocation("r")}
        made = installed.create(make[kind])
        assert made.status_code == 201, made.text
        change = next(watch)
        assert change.object["metadata"]["name"] == make[kind]["metadata"]["name"]
        watch.close()
    controller.create(Kind.CLAIM, claim("r-1"))
    controller.get(Kind.CLAIM, "gpualloc-r-1", namespace="ml")
    label = {"metadata": {"labels": {"a": "b"}}}
    controller.merge(Kind.CLAIM, "gpualloc-r-1", label, namespace="ml")
    controller.delete(Kind.CLAIM, "gpualloc-r-1", namespace="ml")
    with pytest.raises(ObjectGone):
        controller.evict("nobody", namespace="ml")
    thing = read_object(controller.get(Kind.ALLOCATION, "r", namespace="ml"))
    kept = controller.merge(
        Kind.ALLOCATION, "r", finalizer_patch(thing, is_kept=True), namespace="ml"
    )
    assert kept["metadata"]["finalizers"] == [FINALIZER]
    told = controller.merge_status(
        Kind.ALLOCATION, "r", {"status": {"phase": "Pending"}}, namespace="ml"
    )
    assert told["status"] == {"phase": "Pending"}
    event = event_about(thing, "Pending", "why", is_warning=False, now=utc_now())
    controller.create(Kind.EVENT, event)
    controller.merge(
        Kind.ALLOCATION,
        "r",
        finalizer_patch(read_object(told), is_kept=False),
        namespace="ml",
    )
    for measured in (Kind.NODE_USE, Kind.POD_USE):
        with pytest.raises(KindUnknown):  # allowed; there is no metrics server here
            controller.list(measured)
    for made_kind in (Kind.NODE, Kind.SLICE, Kind.ALLOCATION):
        assert installed.delete(make[made_kind]).status_code == 200


def claim(name: str) -> Thing:
    return pinned_claim(name, "ml", [Pin(uuid="GPU-a")], owner={})


@pytest.mark.cluster
def test_the_controller_may_do_nothing_else(
    controller: LiveCluster, installed: ApiServer, plane: ControlPlane
):
    with pytest.raises(ClusterForbids):
        controller.create(Kind.POD, pod())
    with pytest.raises(ClusterForbids):
        controller.delete(Kind.POD, "any", namespace="ml")
    with pytest.raises(ClusterForbids):
        controller.merge(Kind.NODE, "n1", {"spec": {"unschedulable": True}})
    with pytest.raises(ClusterForbids):
        controller.create(Kind.ALLOCATION, allocation())
    with pytest.raises(ClusterForbids):
        controller.delete(Kind.ALLOCATION, "any", namespace="ml")
    for path in ("/api/v1/secrets", "/api/v1/configmaps", "/api/v1/namespaces"):
        assert status_for(plane, installed, CONTROLLER, path) == 403


@pytest.mark.cluster
@pytest.mark.parametrize("account", ["k8s-gpu-management", "gpu-collector"])
def test_the_other_accounts_may_do_nothing(account: str, installed: ApiServer, plane: ControlPlane):
    for path in ("/api/v1/nodes", "/api/v1/pods", "/apis/resource.k8s.io/v1/resourceclaims"):
        assert status_for(plane, installed, account, path) == 403


def status_for(plane: ControlPlane, admin: ApiServer, account: str, path: str) -> int:
    server = ApiServer(plane, admin.token_of(account))
    try:
        return server.http.get(path).status_code
    finally:
        server.http.close()


@pytest.mark.cluster
def test_who_edits_a_namespace_may_ask_for_gpus_and_who_views_it_may_look(installed: ApiServer):
    for name in ("view", "edit", "admin"):
        until(lambda name=name: "gpu.company.com" in groups_of(installed, name))
    assert may(installed, "view", "list")
    assert not may(installed, "view", "create")
    assert may(installed, "edit", "create")
    assert may(installed, "edit", "delete")
    assert not may(installed, "edit", "update", "gpuallocations/status")


def groups_of(server: ApiServer, role: str) -> set[str]:
    path = f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{role}"
    rules = server.http.get(path).json().get("rules") or ()
    return {group for rule in rules for group in rule.get("apiGroups", ())}


def may(server: ApiServer, role: str, verb: str, resource: str = "gpuallocations") -> bool:
    path = f"/apis/rbac.authorization.k8s.io/v1/clusterroles/{role}"
    return any(
        "gpu.company.com" in rule.get("apiGroups", ())
        and resource in rule["resources"]
        and verb in rule["verbs"]
        for rule in server.http.get(path).json()["rules"]
    )


@pytest.fixture
def pinning(installed: ApiServer, controller: LiveCluster) -> Iterator[LiveCluster]:
    things = load(K8S / "device-plugin.yaml")
    for thing in things:
        assert installed.apply(thing).status_code < 300
    gated = pod("probe", phase="Pending")
    gated["spec"]["schedulingGates"] = [{"name": ALLOCATION_GATE}]
    assert installed.create(gated).status_code == 201
    changed = {"metadata": {"labels": {"a": "b"}}}
    until(lambda: succeeds(controller, "probe", changed))
    assert installed.create(pod("plain", phase="Pending")).status_code == 201
    until(lambda: not succeeds(controller, "plain", changed))
    yield controller
    for thing in reversed(things):
        installed.delete(thing)


def succeeds(cluster: LiveCluster, name: str, patch: Thing) -> bool:
    try:
        cluster.merge(Kind.POD, name, patch, namespace="ml")
    except (ClusterForbids, ObjectRefused):
        return False
    return True


@pytest.mark.cluster
def test_who_pins_pods_takes_its_gate_away_and_changes_no_container(
    pinning: LiveCluster, installed: ApiServer
):
    foreign = {"spec": {"containers": [{"name": "main", "image": "evil"}]}}
    with pytest.raises(ObjectRefused, match="changes no container"):
        pinning.merge(Kind.POD, "probe", foreign, namespace="ml")
    let_go = {"spec": {"nodeSelector": {"kubernetes.io/hostname": "n1"}, "schedulingGates": []}}
    pinning.merge(Kind.POD, "probe", let_go, namespace="ml")
    with pytest.raises(ObjectRefused, match="wait behind its gate"):
        pinning.merge(Kind.POD, "probe", {"metadata": {"labels": {"c": "d"}}}, namespace="ml")


@pytest.mark.cluster
def test_layouts_of_the_mig_manager_are_written_in_its_namespace_only(
    installed: ApiServer, plane: ControlPlane, admin: Admin
):
    admin.prepare("gpu-operator")
    things = load(K8S / "mig-manager.yaml")
    for thing in things:
        assert installed.apply(thing).status_code < 300
    path = "/api/v1/namespaces/{}/configmaps/any"
    until(lambda: status_for(plane, installed, CONTROLLER, path.format("gpu-operator")) == 404)
    assert status_for(plane, installed, CONTROLLER, path.format("ml")) == 403
    assert status_for(plane, installed, CONTROLLER, "/api/v1/nodes/any") == 404
    for thing in things:
        installed.delete(thing)
