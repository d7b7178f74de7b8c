"""Problems of the inventory."""

from gpu_management.core.problems import Conflict, NotFound, ValidationFailed


class DeviceNotFound(NotFound):
    """No device of that id is in the fleet."""

    title = "There is no such GPU device"


class NodeNotFound(NotFound):
    """No node of that name is known."""

    title = "There is no such node"


class ModelNotFound(NotFound):
    """No model of that id is known."""

    title = "There is no such GPU model"


class DeviceExists(Conflict):
    """The id or the uuid is taken by a device in the fleet."""

    code, title = "DEVICE_EXISTS", "That device is already registered"


class DeviceInUse(Conflict):
    """Somebody holds the device."""

    code, title = "DEVICE_IN_USE", "The device is held by an allocation"


class DeviceInvalid(ValidationFailed):
    """The description contradicts itself or the catalogue."""

    title = "The device description cannot be accepted"


class StaleDecision(Exception):
    """A device changed between decision and commit; decide again."""
