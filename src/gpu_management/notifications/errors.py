"""Problems of notifications."""

from gpu_management.core.problems import Conflict, NotFound, ValidationFailed


class ChannelNotFound(NotFound):
    """No channel of that number."""

    title = "There is no such channel"


class DeliveryNotFound(NotFound):
    """No delivery of that number."""

    title = "There is no such delivery"


class ChannelInvalid(ValidationFailed):
    """The channel lacks what its kind needs, or has what cannot be."""

    title = "The channel cannot be accepted"


class ChannelExists(Conflict):
    """The name is taken."""

    code, title = "CHANNEL_EXISTS", "There is a channel of that name already"


class ChannelOfSettings(Conflict):
    """The channel comes from the settings of the server and is changed there."""

    code, title = "CHANNEL_OF_SETTINGS", "The settings of the server say what this channel is"


class DeliveryNotDead(Conflict):
    """What waits or has arrived is not sent again."""

    code, title = "DELIVERY_NOT_DEAD", "This delivery was not given up"
