"""Ask the kubelet which container holds which GPU: its pod-resources socket, v1.

The messages are those of k8s.io/kubelet pkg/apis/podresources/v1 at v0.34.4; fields that are not
read here (CPUs, memory, topology) are skipped as protobuf skips what it does not know.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

SOCKET: Final = Path("/var/lib/kubelet/pod-resources/kubelet.sock")
_LARGEST_ANSWER_BYTES: Final = 16 * 2**20
"""The kubelet's own clients allow as much; gRPC's default of 4 MiB is too small for many pods."""
_PACKAGE: Final = "v1"
_MESSAGES: Final[Mapping[str, Mapping[str, tuple[int, str]]]] = {
    "ListPodResourcesRequest": {},
    "ListPodResourcesResponse": {"pod_resources": (1, "PodResources*")},
    "PodResources": {
        "name": (1, "string"),
        "namespace": (2, "string"),
        "containers": (3, "ContainerResources*"),
    },
    "ContainerResources": {
        "name": (1, "string"),
        "devices": (2, "ContainerDevices*"),
        "dynamic_resources": (5, "DynamicResource*"),
    },
    "ContainerDevices": {"resource_name": (1, "string"), "device_ids": (2, "string*")},
    "DynamicResource": {
        "claim_name": (2, "string"),
        "claim_namespace": (3, "string"),
        "claim_resources": (4, "ClaimResource*"),
    },
    "ClaimResource": {
        "cdi_devices": (1, "CDIDevice*"),
        "driver_name": (2, "string"),
        "pool_name": (3, "string"),
        "device_name": (4, "string"),
    },
    "CDIDevice": {"name": (1, "string")},
}
"""Each message's fields: number and type; `*` repeats."""

_DEVICE_ID: Final = re.compile(r"(?P<uuid>(?:GPU|MIG)-[^:]+)(?:::(?P<replica>\d+))?")


@dataclass(frozen=True, slots=True)
class DynamicDevice:
    """A device that a DRA driver gave to a claim; the kubelet knows no UUID of it."""

    claim_namespace: str
    claim_name: str
    driver: str
    pool: str
    device: str


@dataclass(frozen=True, slots=True)
class PodDevice:
    """A GPU, or a part of one, in a container.

    Exactly one of these tells which: `uuid` (of a GPU or a MIG instance), `dynamic` (DRA), or, for
    plugins that hand out other ids, only `device_id`. `replica` numbers a time-sliced part.
    """

    namespace: str
    pod: str
    container: str
    resource_name: str | None
    device_id: str | None
    uuid: str | None
    replica: int | None
    dynamic: DynamicDevice | None


class KubeletUnavailable(Exception):
    """The kubelet does not answer on its pod-resources socket."""


def list_devices(
    socket: Path = SOCKET, *, vendor: str = "nvidia.com", timeout_seconds: float = 5
) -> list[PodDevice]:
    """Return the devices of `vendor` that containers on this node hold.

    Raises:
        KubeletUnavailable: no socket, no answer in time, or an answer that is none.
    """
    if not socket.is_socket():
        raise KubeletUnavailable(
            f"there is no pod-resources socket at {socket}; mount the kubelet's folder"
        )
    options = [("grpc.max_receive_message_length", _LARGEST_ANSWER_BYTES)]
    request, answer = message("ListPodResourcesRequest"), message("ListPodResourcesResponse")
    with grpc.insecure_channel(f"unix://{socket}", options=options) as channel:
        call = channel.unary_unary(
            f"/{_PACKAGE}.PodResourcesLister/List",
            request_serializer=request.SerializeToString,
            response_deserializer=answer.FromString,
        )
        try:
            listed = call(request(), timeout=timeout_seconds)
        except grpc.RpcError as error:
            raise KubeletUnavailable(
                f"the kubelet at {socket} does not list: {error.details()}"
            ) from error
    return list(_devices(listed, vendor))


@cache
def message(name: str) -> Any:
    """Return the class of a message, such as `ListPodResourcesResponse`."""
    file = descriptor_pb2.FileDescriptorProto(
        name="podresources.proto", package=_PACKAGE, syntax="proto3"
    )
    for title, fields in _MESSAGES.items():
        made = file.message_type.add(name=title)
        for field, (number, kind) in fields.items():
            _add_field(made, field, number, kind)
    pool = descriptor_pool.DescriptorPool()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{_PACKAGE}.{name}"))


def _add_field(made: Any, name: str, number: int, kind: str) -> None:
    proto = descriptor_pb2.FieldDescriptorProto
    field = made.field.add(name=name, number=number)
    field.label = proto.LABEL_REPEATED if kind.endswith("*") else proto.LABEL_OPTIONAL
    plain = kind.removesuffix("*")
    if plain == "string":
        field.type = proto.TYPE_STRING
    else:
        field.type, field.type_name = proto.TYPE_MESSAGE, f".{_PACKAGE}.{plain}"


def _devices(listed: Any, vendor: str) -> Iterator[PodDevice]:
    for pod in listed.pod_resources:
        for container in pod.containers:
            place = (pod.namespace, pod.name, container.name)
            for devices in container.devices:
                if devices.resource_name.partition("/")[0] == vendor:
                    for device_id in devices.device_ids:
                        yield _plugin_device(place, devices.resource_name, device_id)
            for claim in container.dynamic_resources:
                yield from _dynamic_devices(place, claim, vendor)


def _plugin_device(place: tuple[str, str, str], resource: str, device_id: str) -> PodDevice:
    known = _DEVICE_ID.fullmatch(device_id)
    replica = known and known["replica"]
    return PodDevice(
        *place,
        resource_name=resource,
        device_id=device_id,
        uuid=known["uuid"] if known else None,
        replica=int(replica) if replica else None,
        dynamic=None,
    )


def _dynamic_devices(place: tuple[str, str, str], claim: Any, vendor: str) -> Iterator[PodDevice]:
    for one in claim.claim_resources:
        if one.driver_name.endswith(vendor):
            device = DynamicDevice(
                claim.claim_namespace,
                claim.claim_name,
                one.driver_name,
                one.pool_name,
                one.device_name,
            )
            yield PodDevice(
                *place,
                resource_name=None,
                device_id=None,
                uuid=None,
                replica=None,
                dynamic=device,
            )
