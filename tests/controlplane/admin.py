"""What a cluster's administrator, its drivers and its users do in tests of a real control plane."""

import time
from collections.abc import Callable, Iterable
from typing import Any

import httpx2
from lightkube import ApiError, Client, KubeConfig
from lightkube.core.resource import ApiInfo, ResourceDef
from lightkube.generic_resource import GenericGlobalResource, GenericNamespacedResource
from lightkube.resources.core_v1 import Namespace, Node, Pod
from lightkube.resources.resource_v1 import ResourceClaim, ResourceSlice

from tests.controlplane.plane import ControlPlane
from tests.support.kube import Thing, gpu_slice, node

WAIT_SECONDS = 20.0


def device_class(kind: str) -> Thing:
    """Return a device class of the NVIDIA driver, as its chart has it: `gpu` or `mig`."""
    expression = (
        f"device.driver == 'gpu.nvidia.com' && device.attributes['gpu.nvidia.com'].type == '{kind}'"
    )
    return {
        "apiVersion": "resource.k8s.io/v1",
        "kind": "DeviceClass",
        "metadata": {"name": f"{kind}.nvidia.com"},
        "spec": {"selectors": [{"cel": {"expression": expression}}]},
    }


_VERBS = ["delete", "get", "list", "patch", "post", "put", "watch", "global_list"]
_PLURALS = {
    "NetworkPolicy": "networkpolicies",
    "MutatingAdmissionPolicy": "mutatingadmissionpolicies",
    "ValidatingAdmissionPolicy": "validatingadmissionpolicies",
}


def generic(thing: Thing) -> Any:
    """Return lightkube's class for an object's kind; nothing is required of its fields."""
    group, _, version = thing["apiVersion"].rpartition("/")
    kind = thing["kind"]
    plural = _PLURALS.get(kind) or f"{kind.lower()}{'es' if kind.endswith('ss') else 's'}"
    is_namespaced = "namespace" in thing["metadata"]
    parent = GenericNamespacedResource if is_namespaced else GenericGlobalResource
    info = ApiInfo(ResourceDef(group, version, kind), plural, _VERBS)
    return type(kind, (parent,), {"_api_info": info})


def until(is_so: Callable[[], Any], seconds: float = WAIT_SECONDS) -> Any:
    """Return what `is_so` answers once that is true; fail when it never is."""
    ends = time.monotonic() + seconds
    while True:
        found = is_so()
        if found:
            return found
        assert time.monotonic() < ends, "it never happened"
        time.sleep(0.05)


class Admin:
    """A client with every right, and verbs in one line."""

    def __init__(self, plane: ControlPlane) -> None:
        config = KubeConfig.from_file(plane.kubeconfig())
        self.client = Client(config, timeout=httpx2.Timeout(10), trust_env=False)

    def create(self, thing: Thing) -> Any:
        """Create anything, as it is written."""
        return self.client.create(generic(thing)(thing))

    def ensure(self, thing: Thing) -> None:
        """Create something unless it is there."""
        try:
            self.create(thing)
        except ApiError as known:
            if known.status.code != 409:
                raise

    def prepare(self, *namespaces: str) -> None:
        """Make namespaces and the driver's device classes."""
        for name in namespaces:
            self.ensure({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        for kind in ("gpu", "mig"):
            self.ensure(device_class(kind))

    def add_node(self, name: str, devices: Iterable[Thing], **changes: Any) -> None:
        """Add a node with a slice of devices, ready for pods."""
        self.create(node(name, **changes))
        self.client.patch(Node, name, {"spec": {"taints": None}})
        self.create(gpu_slice(name, list(devices), name=f"{name}-gpus"))

    def pod(self, name: str, namespace: str) -> Any:
        """Return a pod, or None."""
        return self._get(Pod, name, namespace)

    def claim(self, name: str, namespace: str) -> Any:
        """Return a claim, or None."""
        return self._get(ResourceClaim, name, namespace)

    def _get(self, kind: Any, name: str, namespace: str) -> Any:
        try:
            return self.client.get(kind, name, namespace=namespace)
        except ApiError as missing:
            if missing.status.code == 404:
                return None
            raise

    def delete_pod(self, name: str, namespace: str) -> None:
        """End a pod at once."""
        self.client.delete(Pod, name, namespace=namespace, grace_period=0)

    def clean(self) -> None:
        """Remove what tests made, and wait until it is gone."""
        for pod in self.client.list(Pod, namespace="*"):
            self._drop(Pod, pod)
        for claim in self.client.list(ResourceClaim, namespace="*"):
            self._drop(ResourceClaim, claim)
        for kind in (ResourceSlice, Node):
            for thing in self.client.list(kind):
                self.client.delete(kind, thing.metadata.name)
        until(lambda: not [*self.client.list(ResourceClaim, namespace="*")])
        until(lambda: not [*self.client.list(Pod, namespace="*")])

    def _drop(self, kind: Any, thing: Any) -> None:
        told = {"grace_period": 0} if kind is Pod else {}
        try:
            self.client.delete(
                kind, thing.metadata.name, namespace=thing.metadata.namespace, **told
            )
        except ApiError as gone:
            if gone.status.code != 404:
                raise

    def delete_namespace(self, name: str) -> None:
        """Delete a namespace and everything in it."""
        self.client.delete(Namespace, name)
