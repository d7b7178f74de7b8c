"""Problems of the price book."""

from gpu_management.core.problems import Conflict, NotFound, ValidationFailed


class RateExists(Conflict):
    """That thing already has a price from that moment."""

    code, title = "RATE_EXISTS", "There is a rate from that moment already"


class RateChanged(Conflict):
    """Somebody set or withdrew a price of that thing since the caller looked."""

    code, title = "RATE_CHANGED", "The rate changed since you read it"


class RateInForce(Conflict):
    """A price whose moment has come stays: something may have been charged by it."""

    code, title = "RATE_IN_FORCE", "The rate is in force, or was"


class RateNotFound(NotFound):
    """No rate of that id is in the book."""

    title = "There is no such rate"


class RateInvalid(ValidationFailed):
    """The rate names something that cannot be priced, or would rewrite the past."""

    title = "The rate cannot be accepted"
