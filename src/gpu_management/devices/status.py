"""What a device is called and what its status is, from its state and its use."""

import re

from gpu_management.devices.models import DeviceState, DeviceStatus

DEVICE_ID = re.compile(r"^(?P<node>[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?)-GPU-(?P<index>\d{2,3})$")
"""`<nodeName>-GPU-<two digits>` (fixed); nodes with a hundred GPUs use three."""


def device_id(node_name: str, index: int) -> str:
    """Return the fixed public id of a device."""
    return f"{node_name}-GPU-{index:02d}"


def status_of(state: DeviceState, *, mig_enabled: bool, held_milli: int) -> DeviceStatus:
    """Return the one word clients read: a state that stops work wins over use.

    The words are fixed; being cut anew is a kind of maintenance.
    """
    if state is DeviceState.RECONFIGURING:
        return DeviceStatus.MAINTENANCE
    if state is not DeviceState.READY:
        return DeviceStatus(state.value)
    if mig_enabled:
        return DeviceStatus.MIG
    return DeviceStatus.ALLOCATED if held_milli else DeviceStatus.AVAILABLE
