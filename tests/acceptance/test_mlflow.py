"""The guide's MLflow mixin and ours, with a real tracking store (ACC-07)."""

import importlib.util
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from tests.support.guide import snippet
from tests.support.server import LiveServer

mlflow = pytest.importorskip("mlflow", reason="the mlflow extra is not installed")

pytestmark = [
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore::UserWarning:mlflow"),
]


@pytest.fixture
def store(tmp_path: Path, live: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Track into a folder of this test, on the live server."""
    monkeypatch.setenv("GPU_MANAGEMENT_API", live.url)
    monkeypatch.setenv("NAMESPACE", "ml-experiments")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    monkeypatch.delenv("GPU_MANAGEMENT_API_KEY", raising=False)
    mlflow.set_tracking_uri((tmp_path / "runs").as_uri())
    mlflow.set_experiment("gpu")


def _guides_module() -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "mlflow_gpu_integration_of_the_guide"}
    text = snippet("mlflow-gpu-integration.py")
    exec(compile(text, "mlflow-gpu-integration.py", "exec"), namespace)  # noqa: S102
    return namespace


def _ours() -> Any:
    path = Path(__file__).parents[2] / "sdk" / "python" / "mlflow_gpu_integration.py"
    spec = importlib.util.spec_from_file_location("mlflow_gpu_integration", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _held(live: LiveServer) -> list[dict[str, Any]]:
    found = live.ask("GET", "/api/v1/gpu/allocations?phase=Allocated&namespace=ml-experiments")
    assert isinstance(found, list)
    return found


def _last_run() -> Any:
    return mlflow.search_runs(output_format="list")[0].data


def _trains(base: type, train: Callable[[], Any]) -> Any:
    """Return an experiment that trains with `train` and keeps no model."""

    class Experiment(base):  # type: ignore[misc]
        def train_model(self) -> Any:
            return train()

        def log_model(self, model: Any) -> None:
            """Keep nothing."""

    return Experiment()


@pytest.mark.usefixtures("store")
def test_the_guides_mixin_logs_what_it_took_and_that_it_gave_it_back(live: LiveServer) -> None:
    mixin = _guides_module()["GPUTrackingMixin"]()
    with mlflow.start_run() as run:
        allocation_id = mixin.request_gpu(memory_gb=40, use_mig=False)
        (held,) = _held(live)
        assert held["podName"] == f"mlflow-{run.info.run_id}"
        mixin.release_gpu()
    data = _last_run()
    assert data.params["gpu_allocation_id"] == allocation_id
    assert data.params["gpu_resource"].startswith("gpu-worker-1-GPU-0")
    assert float(data.params["gpu_cost_per_hour"]) > 0
    assert data.metrics == {"gpu_released": 1.0}
    assert _held(live) == []


@pytest.mark.usefixtures("store")
def test_the_guides_defaults_get_a_mig_slice(live: LiveServer) -> None:
    mixin = _guides_module()["GPUTrackingMixin"]()
    with mlflow.start_run():
        mixin.request_gpu()
        mixin.release_gpu()
    assert "MIG" in _last_run().params["gpu_resource"]
    assert _held(live) == []


@pytest.mark.usefixtures("store")
def test_the_guides_mixin_raises_when_nothing_fits() -> None:
    mixin = _guides_module()["GPUTrackingMixin"]()
    with mlflow.start_run(), pytest.raises(Exception, match="GPU allocation failed"):
        mixin.request_gpu(memory_gb=500, use_mig=False)


@pytest.mark.usefixtures("store")
def test_the_guides_experiment_runs(live: LiveServer, monkeypatch: pytest.MonkeyPatch) -> None:
    module = _guides_module()
    # scikit-learn is not ours to install: the snippet's own mlflow gets a stand-in for it.
    monkeypatch.setattr(
        mlflow, "sklearn", SimpleNamespace(log_model=lambda *_: None), raising=False
    )
    _trains(module["GPUMLflowExperiment"], lambda: SimpleNamespace(accuracy=0.9)).run_training()
    assert _last_run().metrics == {"accuracy": 0.9, "gpu_released": 1.0}
    assert _held(live) == []


@pytest.mark.usefixtures("store")
def test_our_experiment_logs_the_same(live: LiveServer) -> None:
    _trains(_ours().GPUMLflowExperiment, lambda: SimpleNamespace(accuracy=0.9)).run_training()
    data = _last_run()
    assert set(data.params) == {"gpu_allocation_id", "gpu_resource", "gpu_cost_per_hour"}
    assert data.metrics == {"accuracy": 0.9, "gpu_released": 1.0}
    assert _held(live) == []


@pytest.mark.usefixtures("store")
@pytest.mark.parametrize("how", [KeyboardInterrupt, SystemExit, ValueError])
def test_nothing_stays_behind_when_training_ends_badly(
    live: LiveServer, how: type[BaseException]
) -> None:
    def train() -> Any:
        assert len(_held(live)) == 1
        raise how

    with pytest.raises(how):
        _trains(_ours().GPUMLflowExperiment, train).run_training()
    assert _held(live) == []


@pytest.mark.usefixtures("store")
def test_nothing_stays_behind_when_logging_fails(live: LiveServer) -> None:
    mixin = _ours().GPUTrackingMixin()
    with mlflow.start_run():
        mlflow.log_param("gpu_resource", "taken")  # a parameter cannot change its value
        with pytest.raises(Exception, match="gpu_resource"):
            mixin.request_gpu(memory_gb=40, use_mig=False)
    assert mixin.allocation_id is None
    assert _held(live) == []


@pytest.mark.usefixtures("store")
def test_a_failed_release_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    mixin = _ours().GPUTrackingMixin()
    mixin.allocation_id = "there-is-no-such-allocation"
    with mlflow.start_run():
        mixin.release_gpu()
    assert _last_run().metrics == {"gpu_release_failed": 1.0}
