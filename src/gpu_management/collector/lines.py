"""The collector's log: one event is one line, in the form that the shipped parsers read."""

import logging
import time
from typing import Final

from gpu_management.core.text import mask_secrets, one_line

_FORMAT: Final = "%(asctime)s.%(msecs)03d %(levelname)s %(name)s - %(message)s"


class LineFormatter(logging.Formatter):
    """Writes a record in UTC on one line, whatever an answer or an error holds."""

    def __init__(self) -> None:
        """Use the one form there is."""
        super().__init__(_FORMAT, "%Y-%m-%d %H:%M:%S")
        self.converter = time.gmtime

    def format(self, record: logging.LogRecord) -> str:
        """Return the line, traceback included, without secrets."""
        return one_line(mask_secrets(super().format(record)))


def configure() -> None:
    """Send every logger of this process to standard error."""
    handler = logging.StreamHandler()
    handler.setFormatter(LineFormatter())
    logging.basicConfig(level=logging.INFO, handlers=[handler])
    logging.getLogger("httpx2").setLevel(logging.WARNING)
