"""A real control plane on free ports of this machine: no kubelet, kwok plays the nodes."""

import socket
import ssl
import subprocess
import tempfile
import time
import urllib.error
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
_CONTROLLERS = (
    "resourceclaim-controller,garbage-collector-controller,namespace-controller,"
    "pod-garbage-collector-controller,disruption-controller,serviceaccount-controller"
)


def free_port() -> int:
    """Return a port nobody listens on now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class ControlPlane:
    """etcd, kube-apiserver, and on demand scheduler, controller manager and kwok."""

    def __init__(self, folder: Path, programs: Mapping[str, Path]) -> None:
        """Start the API server; it is ready when this returns."""
        self.folder = folder
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
        config = f"--kubeconfig={self.kubeconfig()}"
        local = "--bind-address=127.0.0.1"
        leads = "--leader-elect=false"
        self._start("kube-scheduler", config, leads, local, f"--secure-port={free_port()}")
        self._start(
            "kube-controller-manager",
            config,
            leads,
            local,
            f"--secure-port={free_port()}",
            f"--controllers={_CONTROLLERS}",
        )
        self._start(
            "kwok", config, "--manage-all-nodes=true", f"--server-address=127.0.0.1:{free_port()}"
        )

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
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{self.url}/readyz", headers={"Authorization": f"Bearer {ADMIN_TOKEN}"}
        )
        try:
            with urllib.request.urlopen(request, timeout=2, context=context) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except (urllib.error.URLError, OSError):
            return False

    def _wait(self, name: str, is_ready: Callable[[], bool]) -> None:
        ends = time.monotonic() + READY_SECONDS
        while not is_ready():
            if self._running[name].poll() is not None or time.monotonic() > ends:
                log = (self.folder / f"{name}.log").read_text("utf-8", "replace")
                raise AssertionError(f"{name} did not start:\n{log[-4000:]}")
            time.sleep(0.1)


@contextmanager
def running(*, schedules: bool = False) -> Iterator[ControlPlane]:
    """Run a control plane until the block ends; with `schedules` pods are placed and run."""
    programs = all_programs()
    with tempfile.TemporaryDirectory(prefix="gpu-plane-") as folder:
        plane = ControlPlane(Path(folder), programs)
        try:
            if schedules:
                plane.run_scheduler()
            yield plane
        finally:
            plane.stop()
