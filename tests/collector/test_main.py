import subprocess
import sys
from pathlib import Path

import pytest

from gpu_management.collector.main import Misused, main, options

NODE = {"NODE_NAME": "n1"}


def test_a_node_name_is_enough() -> None:
    told = options(NODE)
    assert told.sources.node_name == "n1"
    assert told.sources.dcgm_url is None
    assert told.api == "http://localhost:8080"
    assert told.interval_seconds == 15
    assert told.read_key() is None


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({}, "NODE_NAME is not set"),
        ({**NODE, "COLLECTION_INTERVAL": "0"}, "COLLECTION_INTERVAL must be a whole number"),
        ({**NODE, "COLLECTION_INTERVAL": "soon"}, "not 'soon'"),
        ({**NODE, "METRICS_PORT": "70000"}, "METRICS_PORT must be"),
    ],
)
def test_a_bad_environment_says_what_is_wrong(environ: dict[str, str], told: str) -> None:
    with pytest.raises(Misused, match=told):
        options(environ)


def test_an_interval_may_have_its_unit() -> None:
    assert options({**NODE, "COLLECTION_INTERVAL": "30s"}).interval_seconds == 30


def test_a_key_file_is_read_anew(tmp_path: Path) -> None:
    file = tmp_path / "key"
    told = options({**NODE, "GPU_MANAGEMENT_API_KEY_FILE": str(file)})
    assert told.read_key() is None
    file.write_text("one\n")
    assert told.read_key() == "one"
    file.write_text("two\n")
    assert told.read_key() == "two"


def test_the_command_ends_with_2_when_it_is_not_told_enough(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("NODE_NAME", raising=False)
    assert main([]) == 2
    assert "NODE_NAME is not set" in capsys.readouterr().err


def test_the_collector_needs_neither_the_web_framework_nor_the_database() -> None:
    code = (
        "import sys, gpu_management.collector.main;"
        "print([n for n in ('fastapi', 'sqlalchemy', 'pydantic', 'numpy') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_everything_the_collector_imports_is_in_its_own_lock() -> None:
    code = (
        "import sys, pynvml, gpu_management.collector.main;"
        "from importlib.metadata import packages_distributions as known;"
        "tops = {name.partition('.')[0] for name in sys.modules};"
        "print(' '.join(sorted({one for top in tops for one in known().get(top, ())})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    lock = (Path(__file__).parents[2] / "requirements-collector.lock").read_text()
    locked = {line.partition("==")[0] for line in lock.splitlines() if "==" in line}
    used = {_normal(name) for name in done.stdout.split()}
    assert {"grpcio", "nvidia-ml-py", "httpx2"} <= used
    assert used - locked - {"k8s-gpu-management"} <= _OF_THE_TEST


_OF_THE_TEST = {"pip", "setuptools", "editables", "coverage", "pytest-cov", "google-auth"}
"""What an environment of tests may load into every process, or has under a name it shares."""


def _normal(name: str) -> str:
    return name.lower().replace("_", "-").replace(".", "-")
