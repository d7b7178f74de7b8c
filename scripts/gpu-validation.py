#!/usr/bin/env python3
"""Check an installation of k8s-gpu-management in a Kubernetes cluster.

Needs Python and kubectl. `--cluster` is a context of the kubeconfig. The API is asked through
`kubectl port-forward`, or at --url; a key, where one is needed, comes from GPU_MANAGEMENT_API_KEY
or from the secret gpu-management-api-keys.
Exit codes: 0 all checks passed, 1 a check failed, 2 wrong usage or the cluster does not answer.
"""

import argparse
import base64
import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request

PASSED, FAILED, UNREACHABLE = 0, 1, 2
NAMESPACE = "gpu-management"
APP = "k8s-gpu-management"
CONTROLLER = "gpu-management-controller"
COLLECTOR = "gpu-collector"
CRD = "gpuallocations.gpu.company.com"
DRIVER = "gpu.nvidia.com"


class CheckFailed(Exception):
    """What was found is not what should be."""


class Unreachable(Exception):
    """The cluster does not answer."""


class Cluster:
    """The few questions that the checks ask of a cluster."""

    def __init__(self, context, namespace, kubectl, timeout):
        """Keep which cluster, and how to ask it."""
        self.namespace = namespace
        self.timeout = timeout
        self.command = [kubectl, "--context", context, f"--request-timeout={timeout}s"]

    def run(self, *arguments):
        """Return what kubectl prints.

        Raises:
            CheckFailed: kubectl refuses; Unreachable: it cannot be run or does not end.
        """
        try:
            done = subprocess.run(  # noqa: S603 - kubectl, with arguments of ours
                [*self.command, *arguments],
                capture_output=True,
                text=True,
                timeout=self.timeout + 10,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as failed:
            raise Unreachable(f"kubectl: {failed}") from failed
        if done.returncode != 0:
            lines = done.stderr.strip().splitlines() or [f"kubectl ended with {done.returncode}"]
            raise CheckFailed(lines[-1])
        return done.stdout

    def get(self, *what):
        """Return objects as JSON."""
        return json.loads(self.run("get", *what, "-o", "json"))

    def own(self, kind, name):
        """Return one object of the installation."""
        return self.get("-n", self.namespace, kind, name)


def check_server(cluster):
    """The API server answers."""
    try:
        told = cluster.run("get", "--raw", "/readyz")
    except CheckFailed as refused:
        raise Unreachable(f"the API server does not answer: {refused}") from refused
    return told.strip()


def check_nodes(cluster):
    """There are nodes with GPUs that pods can get."""
    counts = gpus_by_node(cluster)
    if not sum(counts.values()):
        raise CheckFailed("no node has GPUs, neither by ResourceSlices, labels nor capacity")
    return f"{sum(counts.values())} GPUs on {len(counts)} nodes"


def gpus_by_node(cluster):
    """Return the GPUs of each node: by ResourceSlices, else labels, else capacity."""
    slices = of_slices(cluster)
    counts = {}
    for node in cluster.get("nodes")["items"]:
        name = node["metadata"]["name"]
        count = len(slices[name]) if name in slices else of_node(node)
        if count:
            counts[name] = count
    return counts


def of_slices(cluster):
    """Return the uuids of each node's GPUs that a DRA driver announced."""
    try:
        items = cluster.get("resourceslices.resource.k8s.io")["items"]
    except CheckFailed:
        return {}
    newest = {}
    for item in items:
        spec = item["spec"]
        if spec.get("driver") == DRIVER and spec.get("nodeName"):
            node = spec["nodeName"]
            newest[node] = max(newest.get(node, 0), spec["pool"].get("generation", 0))
    found = {}
    for item in items:
        spec = item["spec"]
        node = spec.get("nodeName")
        if node in newest and spec["pool"].get("generation", 0) == newest[node]:
            uuids = found.setdefault(node, set())
            uuids.update(uuid for uuid in map(uuid_of, spec.get("devices") or ()) if uuid)
    return found


def uuid_of(device):
    """Return the card of a device: its own uuid, or its parent's."""
    told = {
        key.rpartition("/")[2]: value.get("string")
        for key, value in (device.get("attributes") or {}).items()
    }
    return told.get("uuid") if told.get("type") == "gpu" else told.get("parentUUID")


def of_node(node):
    """Return the GPUs of a node without slices; 0 where only MIG devices are counted."""
    labels = node["metadata"].get("labels") or {}
    if "-MIG-" in labels.get("nvidia.com/gpu.product", ""):
        return 0
    if labels.get("nvidia.com/gpu.count", "").isdecimal():
        return int(labels["nvidia.com/gpu.count"])
    return int(node["status"].get("capacity", {}).get("nvidia.com/gpu", 0))


def check_collector(cluster):
    """The collector runs on every node that it should run on."""
    status = cluster.own("daemonset", COLLECTOR)["status"]
    wanted, ready = status.get("desiredNumberScheduled", 0), status.get("numberReady", 0)
    if not wanted:
        raise CheckFailed("no node is chosen: label GPU nodes gpu.company.com/collect=true")
    if ready < wanted:
        raise CheckFailed(f"{ready} of {wanted} collectors are ready")
    return f"{ready} collectors ready"


def check_deployments(cluster):
    """API and controller are rolled out."""
    told = []
    for name in (APP, CONTROLLER):
        found = cluster.own("deployment", name)
        wanted, status = found["spec"].get("replicas", 1), found["status"]
        ready = status.get("readyReplicas", 0)
        if status.get("observedGeneration", 0) < found["metadata"].get("generation", 0):
            raise CheckFailed(f"{name} is being changed")
        if not wanted or ready < wanted:
            raise CheckFailed(f"{ready} of {wanted} replicas of {name} are ready")
        told.append(f"{name} {ready}/{wanted}")
    return ", ".join(told)


def check_crd(cluster):
    """GpuAllocation objects can be made."""
    conditions = cluster.get("crd", CRD)["status"].get("conditions") or ()
    if not any(c["type"] == "Established" and c["status"] == "True" for c in conditions):
        raise CheckFailed(f"{CRD} is not established")
    return f"{CRD} established"


def check_inventory(cluster, url):
    """The API counts the GPUs that the cluster has."""
    with contextlib.ExitStack() as stack:
        base = url or stack.enter_context(forwarded(cluster))
        overview = ask(base, "/api/v1/gpu/overview?nodes=false", key_of(cluster), cluster.timeout)
    overview = overview.get("data", overview)
    counted, there = overview["totalDevices"], sum(gpus_by_node(cluster).values())
    if counted != there:
        raise CheckFailed(f"the API counts {counted} GPUs, the cluster has {there}")
    return f"{counted} GPUs in both"


@contextlib.contextmanager
def forwarded(cluster):
    """Yield an address that leads to the API until the block ends."""
    command = [*cluster.command, "-n", cluster.namespace, "port-forward", f"svc/{APP}", ":8080"]
    try:
        process = subprocess.Popen(  # noqa: S603 - kubectl, with arguments of ours
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    except OSError as failed:
        raise Unreachable(f"kubectl: {failed}") from failed
    try:
        line = process.stdout.readline()
        port = re.search(r"127\.0\.0\.1:(\d+)", line)
        if port is None:
            raise CheckFailed(f"no way to the service {APP}: kubectl port-forward failed")
        yield f"http://127.0.0.1:{port[1]}"
    finally:
        process.terminate()
        process.wait()
        process.stdout.close()


def key_of(cluster):
    """Return a key that may read, from the environment or the installation; or None."""
    if os.environ.get("GPU_MANAGEMENT_API_KEY"):
        return os.environ["GPU_MANAGEMENT_API_KEY"]
    try:
        keys = cluster.own("secret", "gpu-management-api-keys").get("data") or {}
    except CheckFailed:
        return None
    coded = keys.get("monitoring-api-key")
    return base64.b64decode(coded).decode().strip() if coded else None


def ask(base, path, key, timeout):
    """Return the JSON that the API answers."""
    headers = {"Accept": "application/json"}
    if key:
        headers["Authorization"] = "Bearer " + key
    request = urllib.request.Request(base.rstrip("/") + path, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as refused:
        raise CheckFailed(f"the API answers {refused.code} to GET {path}") from refused
    except (OSError, ValueError) as failed:
        raise CheckFailed(f"the API does not answer at {base}: {failed}") from failed


def checks_of(cluster, url):
    """Return every check by name; the first must pass, or nobody answers."""
    return {
        "api-server": lambda: check_server(cluster),
        "gpu-nodes": lambda: check_nodes(cluster),
        "crd": lambda: check_crd(cluster),
        "deployments": lambda: check_deployments(cluster),
        "collector": lambda: check_collector(cluster),
        "inventory": lambda: check_inventory(cluster, url),
    }


def run(checks):
    """Return the result of each check."""
    results = []
    for name, check in checks.items():
        try:
            results.append({"check": name, "passed": True, "detail": check()})
        except CheckFailed as failed:
            results.append({"check": name, "passed": False, "detail": str(failed)})
    return results


def main(arguments=None):
    """Check and print a report; return the exit code."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--cluster", required=True, help="context of the kubeconfig")
    parser.add_argument("--namespace", default=NAMESPACE, help=f"default {NAMESPACE}")
    parser.add_argument("--url", help="address of the API, in place of kubectl port-forward")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.add_argument("--timeout", type=int, default=15, help="seconds per question")
    parser.add_argument("--kubectl", default="kubectl", help="the program, where not in PATH")
    told = parser.parse_args(arguments)
    kubectl = shutil.which(told.kubectl)
    if kubectl is None:
        print(f"gpu-validation.py: there is no {told.kubectl}", file=sys.stderr)
        return UNREACHABLE
    cluster = Cluster(told.cluster, told.namespace, kubectl, told.timeout)
    try:
        results = run(checks_of(cluster, told.url))
    except Unreachable as failed:
        print(f"gpu-validation.py: {failed}", file=sys.stderr)
        return UNREACHABLE
    has_passed = all(result["passed"] for result in results)
    if told.json:
        print(json.dumps({"cluster": told.cluster, "passed": has_passed, "checks": results}))
    else:
        for result in results:
            print(f"{'ok  ' if result['passed'] else 'FAIL'} {result['check']}: {result['detail']}")
    return PASSED if has_passed else FAILED


if __name__ == "__main__":
    sys.exit(main())
