"""Every operation of the OpenAPI document under generated input: no 5xx, nothing undocumented."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.server import LiveServer, guarded, register_fleet, serving

pytestmark = pytest.mark.integration

SECONDS = int(os.environ.get("GPU_MANAGEMENT_TEST_FUZZ_SECONDS", "120"))
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_schema_conformance",
    "response_headers_conformance",
)


def _credentials(server: LiveServer) -> list[str]:
    key = server.keys.get("admin")
    return ["--header", f"Authorization: Bearer {key}"] if key else []


@pytest.fixture(params=["disabled", "enforced"])
def victim(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[LiveServer]:
    """A server of its own: what is generated deletes and breaks things."""
    options, keys = guarded(tmp_path) if request.param == "enforced" else ([], {})
    with serving(tmp_path, *options, keys=keys) as server:
        register_fleet(server)
        yield server


def test_no_input_breaks_the_api_or_its_document(victim: LiveServer, tmp_path: Path) -> None:
    program = Path(sys.executable).with_name("schemathesis")
    if not program.exists() and shutil.which("schemathesis") is None:
        pytest.skip("needs schemathesis, of requirements-dev.lock")
    done = subprocess.run(
        [
            str(program),
            f"--config-file={Path(__file__).with_name('schemathesis.toml')}",
            "run",
            f"{victim.url}/openapi.json",
            f"--checks={','.join(CHECKS)}",
            "--phases=examples,coverage,fuzzing",
            f"--max-time={SECONDS}",
            "--seed=20261122",
            "--continue-on-failure",
            "--warnings=off",
            "--no-color",
            *_credentials(victim),
        ],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=SECONDS + 120,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-20_000:]
