"""Problems of MIG."""

from gpu_management.core.problems import Conflict, NotFound, Problem, ValidationFailed


class MigNotSupported(Problem):
    """The model cannot be cut, or not like that."""

    status, code, title = 422, "MIG_NOT_SUPPORTED", "The GPU model does not offer that as MIG"


class MigNotEnabled(Conflict):
    """The device is whole."""

    code, title = "MIG_NOT_ENABLED", "MIG mode is off on this device"


class MigLayoutIllegal(ValidationFailed):
    """The placements overlap, start wrongly or pass a limit."""

    code, title = "MIG_LAYOUT_ILLEGAL", "That MIG layout is not legal"


class MigInstanceInUse(Conflict):
    """Somebody holds the instance."""

    code, title = "MIG_INSTANCE_IN_USE", "A MIG instance is held by an allocation"


class MigInstanceNotFound(NotFound):
    """No instance of that id exists."""

    title = "There is no such MIG instance"
