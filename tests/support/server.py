"""Real servers in processes of their own, and the small fleet that tests put into them."""

import json
import os
import re
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
START_SECONDS = 60.0
_ADDRESS = re.compile(r"GPU management answers at (http://\S+?)/?(?:\s|\")")


@dataclass(frozen=True, slots=True)
class LiveServer:
    """A server that answers at `url`; `keys` by role where it asks who one is."""

    url: str
    pid: int
    folder: Path
    keys: Mapping[str, str] = field(default_factory=dict)

    def call(
        self, method: str, path: str, body: object = None, *, key: str | None = None
    ) -> tuple[int, Any]:
        """Return status and content of one plain request."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"Content-Type": "application/json"} if data else {}
        if key or self.keys:
            headers["Authorization"] = f"Bearer {key or self.keys['admin']}"
        request = urllib.request.Request(  # noqa: S310 - our own server
            self.url + path, data=data, headers=headers, method=method
        )
        try:
            with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
                return answer.status, _content(answer.read())
        except urllib.error.HTTPError as refused:
            return refused.code, _content(refused.read())

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Return the content of a request that must succeed."""
        status, content = self.call(method, path, body)
        assert status < 300, (status, content)
        return content

    def environ(self) -> dict[str, str]:
        """Return the environment of a client of this server."""
        return environment() | {"GPU_MANAGEMENT_API": self.url}


def environment() -> dict[str, str]:
    """Return this process's environment without our settings, with our code importable."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("GPU_MANAGEMENT", "SPRING_"))
    }
    kept["PYTHONPATH"] = os.pathsep.join([str(ROOT / "src"), str(ROOT / "sdk" / "python")])
    return kept


def gpuctl(*arguments: str) -> list[str]:
    """Return the command line of the real program."""
    return [sys.executable, "-m", "gpu_management.cli", *arguments]


@contextmanager
def serving(
    folder: Path, *options: str, keys: Mapping[str, str] | None = None
) -> Iterator[LiveServer]:
    """Run `gpuctl serve` on a free port and a new SQLite file until the block ends."""
    log = folder / "server.log"
    command = gpuctl(
        "serve",
        "--port",
        "0",
        "--database-url",
        f"sqlite:///{folder / 'server.db'}",
        "--fleet",
        "none",
        *options,
    )
    with log.open("wb") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=environment(), cwd=folder)
    try:
        url = _address(process, log)
        yield LiveServer(url, process.pid, folder, keys or {})
    finally:
        process.terminate()
        try:
            process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def guarded(folder: Path, *options: str) -> tuple[list[str], dict[str, str]]:
    """Return the options of a server that asks for keys, and a key for each role and a team."""
    secrets = folder / "keys"
    secrets.mkdir()
    names = ("admin", "operator", "viewer", "finance", "ml-team")
    keys = {name: f"test-{name}-0123456789abcdef0123" for name in names}
    for name, key in keys.items():
        (secrets / f"{name}-api-key").write_text(key + "\n")
    told = ["--set", "security.mode=enforced", "--set", f"security.api-keys-dir={secrets}"]
    return [*told, *options], keys


def register_fleet(server: LiveServer) -> None:
    """Put two nodes into the fleet: four A100 of which one is cut, and two T4."""
    for index in range(4):
        device = {"nodeName": "gpu-worker-1", "deviceIndex": index, "modelId": "a100-sxm4-80gb"}
        server.ask("POST", "/api/v1/gpu/devices", device | {"migEnabled": index == 3})
    for index in range(2):
        device = {"nodeName": "gpu-worker-2", "deviceIndex": index, "modelId": "t4"}
        server.ask("POST", "/api/v1/gpu/devices", device)


def _address(process: "subprocess.Popen[bytes]", log: Path) -> str:
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends:
        found = _ADDRESS.search(log.read_text("utf-8", "replace"))
        if found and _is_ready(found[1]):
            return found[1]
        if process.poll() is not None:
            break
        time.sleep(0.05)
    raise AssertionError(f"the server did not start:\n{log.read_text('utf-8', 'replace')}")


def _is_ready(url: str) -> bool:
    try:
        with urllib.request.urlopen(f"{url}/actuator/health", timeout=5):  # noqa: S310
            return True
    except OSError:
        return False


def _content(body: bytes) -> Any:
    try:
        return json.loads(body) if body else None
    except ValueError:
        return body.decode("utf-8", "replace")
