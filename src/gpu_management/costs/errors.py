"""Problems of budgets, limits and statements."""

from gpu_management.core.problems import Conflict, NotFound, Problem, ValidationFailed


class BudgetExceeded(Problem):
    """The request would bring a budget over its amount."""

    status, code, title = 409, "BUDGET_EXCEEDED", "A budget does not allow this now"


class BudgetExists(Conflict):
    """That scope has a budget of this unit and period."""

    code, title = "BUDGET_EXISTS", "There is such a budget already"


class BudgetNotFound(NotFound):
    """No budget of that number, or not one of yours."""

    title = "There is no such budget"


class BudgetInvalid(ValidationFailed):
    """The budget contradicts itself or names something that is not here."""

    title = "The budget cannot be accepted"


class MonthNotClosable(Conflict):
    """The month is not over, or is not the next in line."""

    code, title = "MONTH_NOT_CLOSABLE", "That month cannot be closed now"


class StatementNotFound(NotFound):
    """Nothing was held in that month by that team, or it is not yours to see."""

    title = "There is no such statement"
