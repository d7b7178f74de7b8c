"""The guide's shell clients: GitLab and Jenkins jobs, the Argo step (ACC-01, 02, 05, 06)."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from gpu_management.core.clock import utc_now
from gpu_management.core.problems import Forbidden, Problem, ServiceUnavailable, document
from tests.support.guide import shell, with_host
from tests.support.server import LiveServer

GUIDE_HOST = "https://gpu-management.company.com"
ARGO_HOST = "http://k8s-gpu-management.gpu-management.svc.cluster.local:8080"
WORKFLOW = {"{{workflow.namespace}}": "kubeflow", "{{workflow.name}}": "train-x7"}


def _argo(url: str, folder: Path) -> str:
    paths = {"/tmp/allocation-id": str(folder / "allocation-id")}  # noqa: S108 - the guide's text
    return with_host("argo-request-gpu.sh", ARGO_HOST, url, WORKFLOW | paths)


@contextmanager
def _answering(problem: Problem) -> Iterator[str]:
    """Serve one problem document on every path, as our handler writes it."""
    body = json.dumps(document(problem, path="/", request_id="r-1", now=utc_now())).encode()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(problem.status)
            self.send_header("Content-Type", "application/problem+json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_told: object) -> None:
            """Stay silent."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = Thread(target=lambda: server.serve_forever(poll_interval=0.02))
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_the_gitlab_job_counts_the_devices(live: LiveServer, tmp_path: Path) -> None:
    done = shell(with_host("gitlab-devices.sh", GUIDE_HOST, live.url), tmp_path)
    assert done.stdout == "SUCCESS: 6 GPU devices detected\n"
    assert done.returncode == 0


def test_the_gitlab_job_fails_without_devices(empty: LiveServer, tmp_path: Path) -> None:
    done = shell(with_host("gitlab-devices.sh", GUIDE_HOST, empty.url), tmp_path)
    assert "ERROR: No GPU devices detected" in done.stdout
    assert done.returncode == 1


def test_the_gitlab_job_fails_without_a_key(locked: LiveServer, tmp_path: Path) -> None:
    done = shell(with_host("gitlab-devices.sh", GUIDE_HOST, locked.url), tmp_path)
    assert done.returncode == 1
    assert locked.call("GET", "/api/v1/gpu/devices", key="wrong")[0] == 401


@pytest.mark.parametrize(
    "problem",
    [Forbidden("not you"), Problem("our fault"), ServiceUnavailable("later")],
    ids=lambda problem: str(problem.status),
)
def test_the_gitlab_job_fails_on_every_problem(problem: Problem, tmp_path: Path) -> None:
    with _answering(problem) as url:
        done = shell(with_host("gitlab-devices.sh", GUIDE_HOST, url), tmp_path)
    assert done.returncode == 1


def test_the_gitlab_job_sees_the_health(live: LiveServer, tmp_path: Path) -> None:
    done = shell(with_host("gitlab-health.sh", GUIDE_HOST, live.url), tmp_path)
    assert done.stdout == "SUCCESS: Application health check passed\n"
    assert done.returncode == 0


def test_health_needs_no_key(locked: LiveServer, tmp_path: Path) -> None:
    done = shell(with_host("gitlab-health.sh", GUIDE_HOST, locked.url), tmp_path)
    assert done.returncode == 0


def test_the_jenkins_stage_reads_devices_under_the_context_path(
    live: LiveServer, tmp_path: Path
) -> None:
    script = with_host("jenkins-devices.sh", "http://localhost:8080", live.url)
    done = shell(script, tmp_path)
    assert done.returncode == 0
    assert len(json.loads(done.stdout)["data"]) == 6


def test_the_jenkins_stage_fails_without_a_key(locked: LiveServer, tmp_path: Path) -> None:
    script = with_host("jenkins-devices.sh", "http://localhost:8080", locked.url)
    assert shell(script, tmp_path).returncode == 22


def test_the_argo_step_writes_a_real_id(live: LiveServer, tmp_path: Path) -> None:
    done = shell(_argo(live.url, tmp_path), tmp_path)
    assert done.returncode == 0, done.stderr
    allocation_id = (tmp_path / "allocation-id").read_text().strip()
    found = live.ask("GET", f"/api/v1/gpu/allocations/{allocation_id}")
    assert found["podName"] == "train-x7-training"
    assert found["namespace"] == "kubeflow"
    assert live.ask("DELETE", f"/api/v1/gpu/allocations/{allocation_id}")["phase"] == "Released"


def test_the_argo_step_fails_without_capacity(empty: LiveServer, tmp_path: Path) -> None:
    done = shell(_argo(empty.url, tmp_path), tmp_path)
    assert done.returncode == 5
    assert (tmp_path / "allocation-id").read_text() == ""


def test_the_argo_step_fails_without_a_key(locked: LiveServer, tmp_path: Path) -> None:
    done = shell(_argo(locked.url, tmp_path), tmp_path)
    assert done.returncode == 5
    assert (tmp_path / "allocation-id").read_text() == ""
