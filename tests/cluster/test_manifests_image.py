"""What the images are built from is there, agrees with the tested pins, and is not root's."""

import re
import shutil
import subprocess
from fnmatch import fnmatch

import pytest

from tests.support.server import ROOT

FILES = ("Dockerfile", "Dockerfile.collector")
SCRIPTS = ("deploy-k8s.sh",)


def lines(name: str) -> list[str]:
    """Return the instructions of a file, each on one line."""
    text = (ROOT / name).read_text("utf-8").replace("\\\n", " ")
    return [line for line in text.splitlines() if line and not line.startswith("#")]


def last_stage(name: str) -> list[str]:
    found = lines(name)
    begins = max(n for n, line in enumerate(found) if line.startswith("FROM "))
    return found[begins:]


@pytest.mark.parametrize("name", FILES)
def test_an_image_runs_as_nobody_special_and_says_whether_it_is_well(name: str):
    stage = last_stage(name)
    assert "USER 10001:10001" in stage
    assert any(line.startswith("HEALTHCHECK ") for line in stage)
    assert not any("pip install" in line for line in stage)


@pytest.mark.parametrize("name", FILES)
def test_everything_that_is_copied_exists_and_is_sent_to_the_builder(name: str):
    kept = [
        line.removeprefix("!")
        for line in (ROOT / ".dockerignore").read_text("utf-8").splitlines()
        if line.startswith("!")
    ]
    copied = [line.split()[1:-1] for line in lines(name) if line.startswith("COPY ")]
    sources = [source for told in copied for source in told if not told[0].startswith("--from")]
    assert sources
    for source in sources:
        assert (ROOT / source).exists(), source
        assert any(fnmatch(source, pattern) for pattern in kept), source


def test_curl_and_bash_are_in_the_servers_image():
    [install] = [line for line in last_stage("Dockerfile") if "apt-get install" in line]
    assert {"bash", "curl"} <= set(install.split())


def pins(name: str) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for line in (ROOT / name).read_text("utf-8").splitlines():
        pin = re.match(r"([a-z0-9._-]+)==(\S+)", line)
        if pin:
            found.setdefault(pin[1], set()).add(pin[2])
    return found


@pytest.mark.parametrize("name", ["image", "collector", "build"])
def test_images_have_the_versions_that_are_tested(name: str):
    tested, used = pins("requirements-dev.lock"), pins(f"requirements-{name}.lock")
    assert used
    for package, versions in used.items():
        assert versions <= tested[package], package


def test_the_servers_image_has_all_that_the_server_needs():
    used = pins("requirements-image.lock")
    assert pins("requirements.lock").keys() <= used.keys()
    assert {"psycopg", "psycopg-binary", "lightkube"} <= used.keys()


def test_the_collectors_image_is_small():
    used = pins("requirements-collector.lock").keys()
    assert {"nvidia-ml-py", "grpcio", "httpx2", "prometheus-client"} <= used
    assert not {"fastapi", "sqlalchemy", "numpy", "pydantic"} & used


@pytest.mark.parametrize(("tool", "names"), [("hadolint", FILES), ("shellcheck", SCRIPTS)])
def test_linters_have_nothing_to_say(tool: str, names: tuple[str, ...]):
    program = shutil.which(tool)
    if program is None:
        pytest.skip(f"needs {tool}")
    folder = ROOT / "scripts" if tool == "shellcheck" else ROOT
    done = subprocess.run(
        [program, *names], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
