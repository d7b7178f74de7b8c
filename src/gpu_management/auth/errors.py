"""Problems of teams and keys."""

from gpu_management.core.problems import Problem


class QuotaExceeded(Problem):
    """The team holds too much already."""

    status, code, title = 409, "QUOTA_EXCEEDED", "The team's quota does not allow this now"
