"""Against a real gRPC server on a unix socket."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import grpc
import pytest

from gpu_management.collector.podresources import (
    DynamicDevice,
    KubeletUnavailable,
    PodDevice,
    list_devices,
    message,
)

Answer = Callable[[Any, Any], Any]


@contextmanager
def kubelet(answer: Answer) -> Iterator[Path]:
    """Serve `answer` to List on a socket; a short path, sockets allow no long ones."""
    handler = grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=message("ListPodResourcesRequest").FromString,
        response_serializer=message("ListPodResourcesResponse").SerializeToString,
    )
    with TemporaryDirectory(prefix="kubelet") as folder:
        socket = Path(folder) / "kubelet.sock"
        server = grpc.server(ThreadPoolExecutor(1))
        service = grpc.method_handlers_generic_handler("v1.PodResourcesLister", {"List": handler})
        server.add_generic_rpc_handlers((service,))
        server.add_insecure_port(f"unix://{socket}")
        server.start()
        try:
            yield socket
        finally:
            server.stop(None).wait()


def pods(*told: dict[str, Any]) -> Answer:
    listed = message("ListPodResourcesResponse")(pod_resources=told)
    return lambda _request, _context: listed


def pod(**container: Any) -> dict[str, Any]:
    return {"name": "p", "namespace": "ml", "containers": [{"name": "c", **container}]}


def plugin(resource: str, *ids: str) -> dict[str, Any]:
    return pod(devices=[{"resource_name": resource, "device_ids": ids}])


def found(resource: str, device_id: str, uuid: str | None, replica: int | None = None) -> PodDevice:
    return PodDevice("ml", "p", "c", resource, device_id, uuid, replica, None)


@pytest.mark.parametrize(
    ("resource", "device_id", "uuid", "replica"),
    [
        ("nvidia.com/gpu", "GPU-1a2b", "GPU-1a2b", None),
        ("nvidia.com/mig-1g.10gb", "MIG-5c6d", "MIG-5c6d", None),
        ("nvidia.com/gpu.shared", "GPU-1a2b::3", "GPU-1a2b", 3),
        ("nvidia.com/gpu", "nvidia0/vgpu1", None, None),
    ],
)
def test_every_form_of_a_device_id_is_understood(
    resource: str, device_id: str, uuid: str | None, replica: int | None
) -> None:
    with kubelet(pods(plugin(resource, device_id))) as socket:
        assert list_devices(socket) == [found(resource, device_id, uuid, replica)]


def test_other_vendors_devices_are_left_out() -> None:
    with kubelet(pods(plugin("rdma/hca", "mlx5_0"), plugin("nvidia.com/gpu", "GPU-a"))) as socket:
        assert [device.uuid for device in list_devices(socket)] == ["GPU-a"]


def test_a_claims_device_is_told_by_driver_pool_and_name() -> None:
    claim = {
        "claim_name": "train",
        "claim_namespace": "ml",
        "claim_resources": [
            {
                "cdi_devices": [{"name": "k8s.gpu.nvidia.com/claim=u-gpu-0"}],
                "driver_name": "gpu.nvidia.com",
                "pool_name": "n1",
                "device_name": "gpu-0-mig-1g10gb-15-0",
            },
            {"driver_name": "dra.cpu", "pool_name": "n1", "device_name": "cpu-1"},
        ],
    }
    with kubelet(pods(pod(dynamic_resources=[claim]))) as socket:
        (device,) = list_devices(socket)
    assert device.uuid is None
    assert device.dynamic == DynamicDevice(
        "ml", "train", "gpu.nvidia.com", "n1", "gpu-0-mig-1g10gb-15-0"
    )


def test_two_containers_of_one_pod_are_told_apart() -> None:
    told = {
        "name": "p",
        "namespace": "ml",
        "containers": [
            {"name": name, "devices": [{"resource_name": "nvidia.com/gpu", "device_ids": [gpu]}]}
            for name, gpu in (("a", "GPU-1"), ("b", "GPU-2"))
        ],
    }
    with kubelet(pods(told)) as socket:
        assert [(one.container, one.uuid) for one in list_devices(socket)] == [
            ("a", "GPU-1"),
            ("b", "GPU-2"),
        ]


def test_an_answer_of_many_pods_is_larger_than_grpc_allows_by_default() -> None:
    many = [plugin("nvidia.com/gpu", *(f"GPU-{'x' * 100}{n}::1" for n in range(500)))] * 100
    with kubelet(pods(*many)) as socket:
        assert len(list_devices(socket)) == 50_000


def test_no_socket_says_what_to_mount(tmp_path: Path) -> None:
    with pytest.raises(KubeletUnavailable, match="mount the kubelet's folder"):
        list_devices(tmp_path / "none.sock")


def test_a_kubelet_that_refuses_is_told() -> None:
    def refuse(_request: Any, context: grpc.ServicerContext) -> Any:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "pod-resources is switched off")

    with (
        kubelet(refuse) as socket,
        pytest.raises(KubeletUnavailable, match="pod-resources is switched off"),
    ):
        list_devices(socket)
