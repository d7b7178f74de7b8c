"""Take GPUs for the length of an MLflow run, and log what was taken.

The address comes from GPU_MANAGEMENT_API, the key from GPU_MANAGEMENT_API_KEY, the namespace from
NAMESPACE.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from gpu_client import GpuApiError, GPUManagementClient, GpuUnreachable

__all__ = ["GPUMLflowExperiment", "GPUTrackingMixin"]

DEFAULT_API = "http://k8s-gpu-management.gpu-management.svc.cluster.local:8080"


class GPUTrackingMixin:
    """Adds `request_gpu` and `release_gpu` to an experiment with an active run."""

    def __init__(self) -> None:
        """Read where the API answers; nothing is sent."""
        self.gpu_api_base = os.getenv("GPU_MANAGEMENT_API", DEFAULT_API)
        self.allocation_id: str | None = None

    def request_gpu(
        self,
        memory_gb: int = 20,
        use_mig: bool = True,  # noqa: FBT001, FBT002 - the published signature
        workload_type: str = "Training",
    ) -> str:
        """Take a GPU or slice for the active run and log id, place and price; return the id.

        Raises:
            gpu_client.GpuNotAvailable: nothing fits now.
        """
        import mlflow

        run = mlflow.active_run()
        if run is None:
            raise RuntimeError("request_gpu needs an active run: call it inside mlflow.start_run()")
        namespace, pod = os.getenv("NAMESPACE", "default"), f"mlflow-{run.info.run_id}"
        payload = {
            "namespace": namespace,
            "podName": pod,
            "workloadType": workload_type,
            "requiredMemoryGb": memory_gb,
            "useMig": use_mig,
        }
        with self._client() as client:
            try:
                allocation = client.allocate_gpu(payload)
                self.allocation_id = allocation["allocationId"]
                mlflow.log_param("gpu_allocation_id", self.allocation_id)
                mlflow.log_param("gpu_resource", allocation["allocatedResource"])
                mlflow.log_param("gpu_cost_per_hour", allocation["costPerHour"])
            except GpuApiError:
                raise  # refused: nothing is held
            except BaseException:
                # Interrupted, or the log is down: whatever was taken for this run goes back.
                self._release_all(client, namespace, pod)
                raise
        return str(allocation["allocationId"])

    def release_gpu(self) -> None:
        """Give back what `request_gpu` took and log whether that worked; may be repeated."""
        import mlflow

        if not self.allocation_id:
            return
        try:
            with self._client() as client:
                client.release_gpu(self.allocation_id)
        except (GpuApiError, GpuUnreachable):
            mlflow.log_metric("gpu_release_failed", 1)
            return
        self.allocation_id = None
        mlflow.log_metric("gpu_released", 1)

    @contextmanager
    def gpu(self, memory_gb: int = 20, *, use_mig: bool = True) -> Iterator[str]:
        """Hold a GPU for the length of a `with` block."""
        allocation_id = self.request_gpu(memory_gb=memory_gb, use_mig=use_mig)
        try:
            yield allocation_id
        finally:
            self.release_gpu()

    def _client(self) -> GPUManagementClient:
        return GPUManagementClient(self.gpu_api_base, os.getenv("GPU_MANAGEMENT_API_KEY"))

    def _release_all(self, client: GPUManagementClient, namespace: str, pod: str) -> None:
        for found in client.list_allocations(namespace=namespace, podName=pod):
            if found["phase"] in {"Pending", "Allocated"}:
                client.release_gpu(found["allocationId"])
        self.allocation_id = None


class GPUMLflowExperiment(GPUTrackingMixin):
    """An experiment that trains on a GPU of its own; subclasses say how."""

    def train_model(self) -> Any:
        """Train and return a model with an `accuracy`."""
        raise NotImplementedError("a subclass trains the model")

    def log_model(self, model: Any) -> None:
        """Log the model; the default is scikit-learn's flavour."""
        import mlflow

        mlflow.sklearn.log_model(model, "model")

    def run_training(self) -> None:
        """Take a GPU, train, log, and give the GPU back whatever happens."""
        import mlflow

        with mlflow.start_run():
            try:
                self.request_gpu(memory_gb=40, use_mig=False)
                model = self.train_model()
                mlflow.log_metric("accuracy", model.accuracy)
                self.log_model(model)
            finally:
                self.release_gpu()
