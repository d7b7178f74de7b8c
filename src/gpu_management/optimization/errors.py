"""Problems of suggestions and exemptions."""

from gpu_management.core.problems import Conflict, NotFound, ValidationFailed


class SuggestionNotFound(NotFound):
    """No suggestion of that number, or not one of yours."""

    title = "There is no such suggestion"


class SuggestionEnded(Conflict):
    """Something became of it already."""

    code, title = "SUGGESTION_ENDED", "This suggestion is no longer open"


class ExemptionNotFound(NotFound):
    """No exemption of that number, or not one of yours."""

    title = "There is no such exemption"


class ExemptionInvalid(ValidationFailed):
    """The exemption ends too late or in the past, or is of nothing that is here."""

    title = "The exemption cannot be accepted"
