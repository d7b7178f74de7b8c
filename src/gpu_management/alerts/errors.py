"""Problems of alerts."""

from gpu_management.core.problems import Conflict, NotFound, ValidationFailed


class AlertNotFound(NotFound):
    """No alert of that id is known, or it is another team's."""

    title = "There is no such alert"


class AlertOver(Conflict):
    """The alert has ended: there is nothing to take on."""

    code, title = "ALERT_OVER", "The alert is over"


class SilenceNotFound(NotFound):
    """No silence of that id is known."""

    title = "There is no such silence"


class SilenceInvalid(ValidationFailed):
    """A silence that would cover everything, or nothing."""

    title = "The silence cannot be accepted"
