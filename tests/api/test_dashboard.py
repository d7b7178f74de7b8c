"""How the built dashboard is served: its page, its files, and what stays the server's own."""

import gzip
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from gpu_management.api.dashboard import built
from tests.support.house import House

HTML = {"accept": "text/html,application/xhtml+xml", "user-agent": "browser"}
PAGE = """<!doctype html><html><head><base href="/" /><meta property="csp-nonce" nonce="" />
<script type="module" src="./ui/main-abc.js"></script></head><body></body></html>"""
SCRIPT = "console.log('the dashboard');" * 100


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "dashboard"
    (made / "ui").mkdir(parents=True)
    (made / "index.html").write_text(PAGE)
    (made / "ui" / "main-abc.js").write_text(SCRIPT)
    (made / "ui" / "main-abc.js.gz").write_bytes(gzip.compress(SCRIPT.encode()))
    (made / "ui" / "boot.js").write_text("'boot'")
    return made


@pytest.fixture
def client(house: House, folder: Path) -> Iterator[TestClient]:
    with house.client(dashboard=built(folder)) as opened:
        yield opened


@pytest.mark.parametrize("path", ["/", "/fleet", "/fleet/nodes/gpu-worker-1", "/cost?window=7d"])
def test_a_browser_gets_the_page_at_every_page_address(client: TestClient, path: str) -> None:
    answer = client.get(path, headers=HTML)
    assert answer.status_code == 200
    assert "./ui/main-abc.js" in answer.text
    assert answer.headers["cache-control"] == "no-store"


def test_each_page_has_a_nonce_of_its_own_and_runs_no_inline_script(client: TestClient) -> None:
    nonces = set()
    for _ in range(3):
        answer = client.get("/", headers=HTML)
        (nonce,) = re.findall(r'nonce="([^"]+)"', answer.text)
        policy = answer.headers["content-security-policy"]
        assert f"style-src 'self' 'nonce-{nonce}'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "default-src 'none'" in policy
        nonces.add(nonce)
    assert len(nonces) == 3


def test_under_the_context_path_the_page_finds_its_files_there(client: TestClient) -> None:
    answer = client.get("/k8s-monitor/fleet", headers=HTML)
    assert '<base href="/k8s-monitor/" />' in answer.text
    assert client.get("/k8s-monitor/ui/main-abc.js").text == SCRIPT


def test_files_are_packed_once_and_kept_for_ever_but_those_without_a_hash(
    client: TestClient,
) -> None:
    packed = client.get("/ui/main-abc.js", headers={"accept-encoding": "gzip"})
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.text == SCRIPT
    assert "immutable" in packed.headers["cache-control"]
    assert packed.headers["content-type"].startswith("text/javascript")
    plain = client.get("/ui/main-abc.js", headers={"accept-encoding": "identity"})
    assert "content-encoding" not in plain.headers
    assert plain.text == SCRIPT
    assert client.get("/ui/boot.js").headers["cache-control"] == "no-cache"


@pytest.mark.parametrize("path", ["/ui/old-123.js", "/ui/..%2findex.html", "/ui/../pages.py"])
def test_a_file_that_is_not_of_the_dashboard_is_not_found(client: TestClient, path: str) -> None:
    assert client.get(path).status_code == 404


@pytest.mark.parametrize("path", ["/api/v1/gpu/nothing", "/actuator/nothing", "/assets/no.css"])
def test_unknown_addresses_of_the_server_stay_problems_for_browsers(
    client: TestClient, path: str
) -> None:
    assert client.get(path, headers=HTML).status_code == 404


def test_what_is_not_a_browser_gets_problems_and_the_servers_pages_stay(
    client: TestClient,
) -> None:
    assert client.get("/fleet", headers={"accept": "*/*"}).status_code == 404
    assert client.post("/fleet", headers=HTML).status_code == 404
    assert client.get("/openapi.json", headers=HTML).json()["openapi"].startswith("3.")
    assert "API" in client.get("/docs", headers=HTML).text
    assert "./ui/main-abc.js" not in client.get("/problems", headers=HTML).text
    assert "What to try" in client.get("/start", headers=HTML).text


def test_without_a_built_dashboard_the_start_page_says_how_to_build_it(
    house: House, tmp_path: Path
) -> None:
    assert built(tmp_path) is None
    with house.client() as opened:
        assert "make frontend" in opened.get("/", headers=HTML).text
        assert opened.get("/fleet", headers=HTML).status_code == 404
