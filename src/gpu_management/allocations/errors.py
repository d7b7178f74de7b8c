"""Problems of allocations."""

from gpu_management.core.problems import Conflict, NotFound, Problem, ValidationFailed


class AllocationNotFound(NotFound):
    """No allocation of that id, or not one of yours."""

    title = "There is no such allocation"


class AllocationInvalid(ValidationFailed):
    """The request contradicts itself or what the fleet can ever offer."""

    title = "The allocation request cannot be accepted"


class GpuNotAvailable(Problem):
    """Nothing fits now; something may later."""

    status, code, title = 409, "GPU_NOT_AVAILABLE", "No GPU fits this request now"


class AllocationEnded(Conflict):
    """It is over already."""

    code, title = "ALLOCATION_ENDED", "The allocation has ended"


class IdempotencyKeyReused(Conflict):
    """The same key came with another request."""

    code, title = "IDEMPOTENCY_KEY_REUSED", "That Idempotency-Key belongs to another request"


class AllocationContended(Problem):
    """The fleet changed faster than we could decide; trying again helps."""

    status, code, title = 503, "ALLOCATION_CONTENDED", "Too many changes at once"


class HoldNotFound(NotFound):
    """No hold of that number."""

    title = "There is no such hold"


class HoldNotOver(Conflict):
    """It goes on, or was corrected already."""

    code, title = "HOLD_NOT_OVER", "This hold cannot be corrected now"


class CorrectionInvalid(ValidationFailed):
    """The ledger would not add up with it."""

    title = "The correction cannot be accepted"
