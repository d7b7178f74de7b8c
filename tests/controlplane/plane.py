"""A real control plane on free ports of this machine: no kubelet, kwok plays the nodes."""

import socket
import ssl
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import yaml
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.controlplane.binaries import all_programs

ADMIN_TOKEN = "test-admin"
READY_SECONDS = 90.0
_GATES = "MutatingAdmissionPolicy=true"
_VERSIONS = "admissionregistration.k8s.io/v1beta1=true"
"""What Kubernetes 1.34 has switched off and our policies for pods need."""
_CONTROLLERS = (
    "resourceclaim-controller,garbage-collector-controller,namespace-controller,"
    "pod-garbage-collector-controller,disruption-controller,serviceaccount-controller,"
    "clusterrole-aggregation-controller,deployment-controller,replicaset-controller,"
    "daemonset-controller,statefulset-controller"
)


def free_port() -> int:
    """Return a port nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class ControlPlane:
    """etcd, kube-apiserver, and on demand scheduler, controller manager and kwok."""

    def __init__(self, folder: Path, programs: Mapping[str, Path], *, gates: str = "") -> None:
        """Start the API server with feature gates; it is ready when this returns."""
        self.folder = folder
        self._gates = [f"--feature-gates={','.join(filter(None, (_GATES, gates)))}"]
        self.port = free_port()
        self._programs = programs
        self._running: dict[str, subprocess.Popen[bytes]] = {}
        self._etcd_port, peer_port = free_port(), free_port()
        self._write_keys()
        client = f"http://127.0.0.1:{self._etcd_port}"
        self._start(
            "etcd",
            f"--data-dir={folder / 'etcd'}",
            f"--listen-client-urls={client}",
            f"--advertise-client-urls={client}",
            f"--listen-peer-urls=http://127.0.0.1:{peer_port}",
            "--unsafe-no-fsync",
        )
        self.start_apiserver()

    @property
    def url(self) -> str:
        """Return the address of the API server."""
        return f"https://127.0.0.1:{self.port}"

    def start_apiserver(self) -> None:
        """Start the API server, again after `stop_apiserver`, and wait until it is ready."""
        key = self.folder / "sa.key"
        self._start(
            "kube-apiserver",
            f"--etcd-servers=http://127.0.0.1:{self._etcd_port}",
            f"--secure-port={self.port}",
            "--bind-address=127.0.0.1",
            f"--cert-dir={self.folder / 'certs'}",
            f"--service-account-key-file={key}",
            f"--service-account-signing-key-file={key}",
            "--service-account-issuer=https://kubernetes.default.svc",
            f"--token-auth-file={self.folder / 'tokens.csv'}",
            "--authorization-mode=RBAC",
            "--service-cluster-ip-range=10.0.0.0/24",
            "--disable-admission-plugins=ServiceAccount",
            f"--runtime-config={_VERSIONS}",
            *self._gates,
        )
        self._wait("kube-apiserver", self._is_ready)

    def stop_apiserver(self) -> None:
        """Kill the API server as a crash would."""
        process = self._running.pop("kube-apiserver")
        process.kill()
        process.wait()

    def kubeconfig(self, token: str = ADMIN_TOKEN, name: str = "admin") -> Path:
        """Write a kubeconfig of a user with a bearer token; its context is called `test`."""
        file = self.folder / f"{name}.kubeconfig"
        cluster = {
            "server": self.url,
            "certificate-authority": str(self.folder / "certs" / "apiserver.crt"),
        }
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": name, "user": {"token": token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": name}}],
        }
        file.write_text(yaml.safe_dump(content))
        return file

    def run_scheduler(self) -> None:
        """Let the real scheduler place pods and allocate claims, and kwok run them."""
        common = (f"--kubeconfig={self.kubeconfig()}",)
        kube = (*common, "--leader-elect=false", "--bind-address=127.0.0.1", *self._gates)
        self._serve("kube-scheduler", "https", *kube, port="--secure-port={}")
        controllers = f"--controllers={_CONTROLLERS}"
        self._serve("kube-controller-manager", "https", *kube, controllers, port="--secure-port={}")
        nodes = "--manage-all-nodes=true"
        self._serve("kwok", "http", *common, nodes, port="--server-address=127.0.0.1:{}")

    def _serve(self, name: str, scheme: str, *arguments: str, port: str) -> None:
        """Start a program and wait for its health; again where somebody took its port."""
        for is_last in (False, False, True):
            number = free_port()
            self._start(name, *arguments, port.format(number))
            if self._answers(name, f"{scheme}://127.0.0.1:{number}/healthz"):
                return
            assert not is_last, (self.folder / f"{name}.log").read_text("utf-8", "replace")[-4000:]

    def _answers(self, name: str, url: str) -> bool:
        ends = time.monotonic() + READY_SECONDS
        while self._running[name].poll() is None and time.monotonic() < ends:
            if _is_fine(url):
                return True
            time.sleep(0.1)
        return False

    def stop(self) -> None:
        """Kill everything that was started here: nothing of it is kept."""
        for process in self._running.values():
            process.kill()
        for process in self._running.values():
            process.wait()

    def _write_keys(self) -> None:
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        text = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        )
        (self.folder / "sa.key").write_bytes(text)
        (self.folder / "tokens.csv").write_text(f'{ADMIN_TOKEN},admin,1,"system:masters"\n')

    def _start(self, name: str, *arguments: str) -> None:
        with (self.folder / f"{name}.log").open("ab") as log:
            command = [str(self._programs[name]), *arguments]
            self._running[name] = subprocess.Popen(command, stdout=log, stderr=log, cwd=self.folder)

    def _is_ready(self) -> bool:
        return _is_fine(f"{self.url}/readyz", token=ADMIN_TOKEN)

    def _wait(self, name: str, is_ready: Callable[[], bool]) -> None:
        ends = time.monotonic() + READY_SECONDS
        while not is_ready():
            if self._running[name].poll() is not None or time.monotonic() > ends:
                log = (self.folder / f"{name}.log").read_text("utf-8", "replace")
                raise AssertionError(f"{name} did not start:\n{log[-4000:]}")
            time.sleep(0.1)


def _is_fine(url: str, *, token: str | None = None) -> bool:
    """Say whether a program of ours answers 200; its certificate is its own."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    asked = urllib.request.Request(url, headers=headers)  # noqa: S310 - our own server
    secure = context if url.startswith("https") else None
    try:
        with urllib.request.urlopen(asked, timeout=2, context=secure) as answer:  # noqa: S310
            return bool(answer.status == 200)
    except OSError:
        return False


@contextmanager
def running(*, schedules: bool = False, gates: str = "") -> Iterator[ControlPlane]:
    """Run a control plane until the block ends; with `schedules` pods are placed and run.

    `gates` are feature gates, such as `DRAPartitionableDevices=true`.
    """
    programs = all_programs()
    with tempfile.TemporaryDirectory(prefix="gpu-plane-") as folder:
        plane = ControlPlane(Path(folder), programs, gates=gates)
        try:
            if schedules:
                plane.run_scheduler()
            yield plane
        finally:
            plane.stop()
