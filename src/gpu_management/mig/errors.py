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


class MigPlanNotExecutable(Conflict):
    """The steps cannot be carried out in this cluster."""

    code, title = "MIG_PLAN_NOT_EXECUTABLE", "That plan cannot be carried out here"


class MigPlanStale(Conflict):
    """The fleet is no longer what the plan was made for."""

    code, title = "MIG_PLAN_STALE", "The plan was made for another layout"


class MigPlanState(Conflict):
    """The plan is not in a state that allows that."""

    code, title = "MIG_PLAN_STATE", "The state of the plan does not allow that"


class MigPlanNotFound(NotFound):
    """No plan of that id exists."""

    title = "There is no such repartition plan"


class MigInstanceNotFound(NotFound):
    """No instance of that id exists."""

    title = "There is no such MIG instance"
