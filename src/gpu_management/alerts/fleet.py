"""Whom alerts are about: the keys of GPUs, slices and nodes, read when the fleet changes."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from gpu_management.alerts.past import Key, key_of
from gpu_management.devices.models import Cluster, Device, Model, Node
from gpu_management.mig.models import MigInstance

_REVISIONS: Final = select(func.count(), func.sum(Cluster.revision))
_GPUS: Final = (
    select(
        Device.id,
        Device.device_id,
        Device.uuid,
        Device.device_index,
        Node.node_name,
        Model.model_name,
    )
    .join(Node, Node.id == Device.node_id)
    .join(Model, Model.model_id == Device.model_id)
    .where(Device.live_id.is_not(None))
    .order_by(Device.id)
)
_SLICES: Final = select(
    MigInstance.device_id, MigInstance.gpu_instance_id, MigInstance.profile_name
).where(
    MigInstance.destroyed_at.is_(None),
    MigInstance.held.is_(True),
    MigInstance.gpu_instance_id.is_not(None),
)
Target = tuple[int, int]


@dataclass(frozen=True, slots=True)
class Fleet:
    """The keys of whole GPUs in the order of `gpus`, of held slices, and the node of each GPU."""

    version: tuple[int, ...] = ()
    gpus: Sequence[int] = ()
    keys: Sequence[Key] = ()
    slices: Sequence[Target] = ()
    slice_keys: Sequence[Key] = ()
    nodes: Mapping[str, Sequence[int]] = field(default_factory=dict)


def fleet_of(session: Session, known: Fleet) -> Fleet:
    """Return the fleet as it is; the one that is `known` where nothing changed."""
    version = tuple(int(part or 0) for part in session.connection().execute(_REVISIONS).one())
    if version == known.version:
        return known
    labels: dict[int, dict[str, str]] = {}
    nodes: dict[str, list[int]] = defaultdict(list)
    for pk, device_id, uuid, index, node, model in session.connection().execute(_GPUS):
        labels[pk] = {
            "instance": node,
            "gpu": str(index),
            "UUID": uuid or "",
            "modelName": model,
            "deviceId": device_id,
        }
        nodes[node].append(pk)
    slices: dict[Target, Key] = {}
    for pk, number, profile in session.connection().execute(_SLICES):
        if pk in labels and number is not None:
            more = {"GPU_I_ID": str(number), "GPU_I_PROFILE": profile}
            slices[pk, number] = key_of(**labels[pk], **more)
    return Fleet(
        version,
        gpus=tuple(labels),
        keys=tuple(key_of(**told) for told in labels.values()),
        slices=tuple(slices),
        slice_keys=tuple(slices.values()),
        nodes=nodes,
    )
