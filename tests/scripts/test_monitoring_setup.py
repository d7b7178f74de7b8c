"""`scripts/monitoring-setup.sh` fits alerts and dashboards into what is there (SCR-05)."""

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import yaml

from tests.support.prometheus import scraping
from tests.support.server import ROOT

SCRIPT = ROOT / "scripts" / "monitoring-setup.sh"
RULES = [ROOT / "prometheus/gpu-management-rules.yml", *(ROOT / "prometheus/rules").glob("*.yml")]
DASHBOARDS = {file.stem for file in (ROOT / "grafana" / "dashboards").glob("*.json")}
Done = subprocess.CompletedProcess[str]


def run(*options: str, **environ: str) -> Done:
    return subprocess.run(
        [str(SCRIPT), *options],
        env={"PATH": os.environ["PATH"]} | environ,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    "options",
    [
        [],
        ["--dry-run"],
        ["--nonsense", "x"],
        ["--grafana-url"],
        ["--grafana-url", "ftp://x"],
        ["--grafana-url", 'http://x/"'],
        ["--prometheus-url", "http://x"],
        ["--datasource-url", "http://x", "--kubernetes"],
        ["--label", "a=b", "--prometheus-dir", "x"],
        ["--kubernetes", "--label", "no label"],
    ],
)
def test_wrong_usage_ends_with_2(options: list[str]) -> None:
    done = run(*options)
    assert done.returncode == 2, done.stdout
    assert done.stderr.startswith("monitoring-setup.sh: ")


def test_shellcheck_has_nothing_to_say() -> None:
    program = shutil.which("shellcheck")
    if program is None:
        pytest.skip("needs shellcheck")
    done = subprocess.run([program, str(SCRIPT)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


class Grafana:
    """A Grafana that keeps what it is told, over real HTTP."""

    def __init__(self, *wants: str) -> None:
        self.wants = set(wants)
        self.kept: dict[str, Any] = {}
        self.versions: dict[str, list[str]] = {}
        self.writes: list[str] = []
        self.url = ""

    def answer(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        path = path.partition("?")[0]
        if method == "POST":
            self.writes.append(path)
            return self._post(path, body)
        versions = re.fullmatch(r"/api/dashboards/uid/([\w-]+)/versions", path)
        if versions:
            told = self.versions.get(versions[1])
            return (200, {"versions": [{"message": told[-1]}]}) if told else (404, {})
        return (200, self.kept[path]) if path in self.kept else (404, {"message": "not found"})

    def _post(self, path: str, body: Any) -> tuple[int, Any]:
        if path != "/api/dashboards/db":
            self.kept[f"{path.replace('sources', 'sources/uid')}/{body['uid']}"] = body
            return 200, {}
        assert body["overwrite"] is True
        if f"/api/folders/{body['folderUid']}" not in self.kept:
            return 400, {"message": "folder not found"}
        uid = body["dashboard"]["uid"]
        self.kept[f"/api/dashboards/uid/{uid}"] = body["dashboard"]
        self.versions.setdefault(uid, []).append(body["message"])
        return 200, {"uid": uid}


@contextmanager
def grafana(*wants: str) -> Iterator[Grafana]:
    """Serve a Grafana; `wants` are the sign-ins that it takes, none: any."""
    told = Grafana(*wants)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer(None)

        def do_POST(self) -> None:
            self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

        def _answer(self, body: Any) -> None:
            status, content = 401, {"message": "Unauthorized"}
            if not told.wants or self.headers["Authorization"] in told.wants:
                status, content = told.answer(self.command, self.path, body)
            data = json.dumps(content).encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

        def log_message(self, *_: object) -> None:
            """Tests have enough to read."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    told.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield told
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def test_grafana_gets_data_source_folder_and_dashboards_once() -> None:
    with grafana() as told:
        options = ("--grafana-url", told.url, "--datasource-url", "http://prometheus:9090")
        done = run(*options)
        assert done.returncode == 0, done.stderr
        source = told.kept["/api/datasources/uid/prometheus"]
        assert (source["type"], source["url"]) == ("prometheus", "http://prometheus:9090")
        assert set(told.versions) == DASHBOARDS
        file = ROOT / "grafana" / "dashboards" / "gpu-overview.json"
        assert told.kept["/api/dashboards/uid/gpu-overview"] == json.loads(file.read_text())
        written = len(told.writes)
        assert run(*options).returncode == 0
        assert len(told.writes) == written


def test_a_dashboard_that_somebody_changed_is_set_right_again() -> None:
    with grafana() as told:
        assert run("--grafana-url", told.url).returncode == 0
        told.versions["gpu-alerts"].append("wider panels")
        told.writes.clear()
        assert run("--grafana-url", told.url).returncode == 0
        assert told.writes == ["/api/dashboards/db"]


def test_a_dry_run_changes_nothing_in_grafana() -> None:
    with grafana() as told:
        done = run("--grafana-url", told.url, "--datasource-url", "http://p:9090", "--dry-run")
        assert done.returncode == 0, done.stderr
        assert told.writes == []
        assert "folder GPU management would be made" in done.stdout
        assert done.stdout.count("dashboard ") == len(DASHBOARDS)


def test_grafana_is_asked_with_the_token_or_the_password() -> None:
    hard = 'p"a\\ss $HOME'
    basic = base64.b64encode(f"admin:{hard}".encode()).decode()
    with grafana("Bearer glsa_x", f"Basic {basic}") as told:
        options = ("--grafana-url", told.url, "--dry-run")
        assert run(*options, GRAFANA_TOKEN="glsa_x").returncode == 0
        assert run(*options, GRAFANA_USER="admin", GRAFANA_PASSWORD=hard).returncode == 0
        refused = run(*options, GRAFANA_TOKEN="wrong-one")
        assert refused.returncode == 1
        assert "set GRAFANA_TOKEN" in refused.stderr
        assert "wrong-one" not in refused.stdout + refused.stderr


def test_a_grafana_that_is_away_is_told() -> None:
    done = run("--grafana-url", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert "Grafana does not answer" in done.stderr


def test_the_rules_are_copied_once(tmp_path: Path) -> None:
    dry = run("--prometheus-dir", str(tmp_path), "--dry-run")
    assert dry.returncode == 0, dry.stderr
    assert not list(tmp_path.iterdir())
    assert dry.stdout.count("would be written") == len(RULES)
    assert run("--prometheus-dir", str(tmp_path)).stdout.count("is written") == len(RULES)
    for file in RULES:
        there = tmp_path / file.relative_to(ROOT / "prometheus")
        assert there.read_text() == file.read_text()
    (tmp_path / "rules" / "gpu-alerts.yml").write_text("groups: []\n")
    again = run("--prometheus-dir", str(tmp_path))
    assert again.stdout.count("is written") == 1
    assert not list(tmp_path.rglob("*.new"))


def test_a_folder_that_is_not_there_is_refused(tmp_path: Path) -> None:
    done = run("--prometheus-dir", str(tmp_path / "nowhere"))
    assert done.returncode == 1
    assert "there is no folder" in done.stderr


@pytest.mark.integration
def test_a_real_prometheus_evaluates_the_rules(tmp_path: Path) -> None:
    shipped = yaml.safe_load((ROOT / "prometheus" / "prometheus.yml").read_text())
    config = {"rule_files": shipped["rule_files"]}
    with scraping(tmp_path, config, "--web.enable-lifecycle") as client:
        options = ("--prometheus-dir", str(tmp_path), "--prometheus-url", str(client.base_url))
        assert run(*options, "--dry-run").returncode == 0
        assert client.get("/api/v1/rules").json()["data"]["groups"] == []
        done = run(*options)
        assert done.returncode == 0, done.stdout + done.stderr
        groups = {one["name"] for one in client.get("/api/v1/rules").json()["data"]["groups"]}
        assert "gpu-management.rules" in groups
        assert len(groups) > len(RULES)


@pytest.mark.integration
def test_a_prometheus_that_reads_other_files_is_told_so(tmp_path: Path) -> None:
    with scraping(tmp_path, {"rule_files": ["gpu-management-rules.yml"]}) as client:
        options = ("--prometheus-dir", str(tmp_path), "--prometheus-url", str(client.base_url))
        without = run(*options)
        assert without.returncode == 1
        assert "--web.enable-lifecycle" in without.stderr
    config = {"rule_files": ["gpu-management-rules.yml"]}
    with scraping(tmp_path, config, "--web.enable-lifecycle") as client:
        options = ("--prometheus-dir", str(tmp_path), "--prometheus-url", str(client.base_url))
        lacking = run(*options)
        assert lacking.returncode == 1
        assert "Prometheus has no cost-alerts gpu-alerts" in lacking.stderr
