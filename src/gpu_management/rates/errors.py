"""Problems of the price book."""

from gpu_management.core.problems import Conflict, ValidationFailed


class RateExists(Conflict):
    """That thing already has a price from that moment."""

    code, title = "RATE_EXISTS", "There is a rate from that moment already"


class RateInvalid(ValidationFailed):
    """The rate names something that cannot be priced, or would rewrite the past."""

    title = "The rate cannot be accepted"
