"""Logs: one event is one physical line, as text that the shipped parsers read or as JSON.

Text is `YYYY-MM-DD HH:MM:SS.mmm LEVEL dotted.class - message` in UTC. Modules take their logger
from `get_logger`; the process calls `configure` once.
"""

import json
import logging
import re
import sys
import threading
from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from logging.handlers import RotatingFileHandler
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import structlog

from gpu_management.core.settings import Logging
from gpu_management.core.text import MASK, is_secret_name, json_line, mask_secrets, one_line

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
"""Id of the request being answered; it is on every line written meanwhile."""

trace_id: ContextVar[str | None] = ContextVar("trace_id", default=None)
"""Id of the trace this request belongs to, from its `traceparent`."""

_MIB = 1 << 20
_HTTP_CLIENT = "httpx2"
_BRING_HANDLERS = ("uvicorn", "uvicorn.error", "uvicorn.access", "sqlalchemy", "alembic")
_NOT_IN_CLASS = re.compile("[^A-Za-z0-9]")
_PLAIN_VALUE = re.compile(r"[^\s\"'=]+")
_ALLOCATION_EVENT = re.compile(r"GPU allocation \S+ \w+")
_STRAY_ALLOCATION = re.compile(r"allocation (?=\S+ \w)")
_LEVELS = (
    # "ERROR" is the word the pipelines tag; they know no worse one.
    (logging.ERROR, "ERROR"),
    (logging.WARNING, "WARNING"),
    (logging.INFO, "INFO"),
)
_PROCESSORS: tuple[structlog.typing.Processor, ...] = (
    structlog.stdlib.filter_by_level,
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
    structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
)


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """Return the logger of a module: `log.info("GPU device added", device_id=…)`."""
    logger: structlog.stdlib.BoundLogger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=_PROCESSORS,
        wrapper_class=structlog.stdlib.BoundLogger,
    )
    return logger


def configure(settings: Logging, *, stream: TextIO | None = None) -> None:
    """Send every logger of this process to `stream` (standard error) and to the file, if any."""
    render = _render_json if settings.format == "json" else _render_text
    handlers: list[logging.Handler] = [logging.StreamHandler(stream or sys.stderr)]
    if settings.file is not None:
        handlers.append(_file_handler(settings.file, settings))
    for handler in handlers:
        handler.setFormatter(_OneLineFormatter(render))
    root = logging.getLogger()
    for old in list(root.handlers):
        root.removeHandler(old)
        old.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(settings.level)
    _route_libraries()
    for name, level in settings.levels.items():
        logging.getLogger(name).setLevel(level)


def log_uncaught() -> None:
    """Write what ends the process or one of its threads as one line as well."""

    def of_process(
        kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        if issubclass(kind, KeyboardInterrupt):
            sys.__excepthook__(kind, error, trace)
            return
        logging.getLogger("gpu_management.process").critical(
            "stopped by an error", exc_info=(kind, error, trace)
        )

    def of_thread(args: threading.ExceptHookArgs) -> None:
        if args.exc_value is not None and not issubclass(args.exc_type, SystemExit):
            info = (args.exc_type, args.exc_value, args.exc_traceback)
            logging.getLogger("gpu_management.process").error("thread ended", exc_info=info)

    sys.excepthook = of_process
    threading.excepthook = of_thread


def allocation_event(allocation_id: object, action: str) -> str:
    """Return the message of an allocation event, as log pipelines take it apart."""
    identity, verb = re.sub(r"\s+", "_", str(allocation_id)), re.sub(r"\W+", "_", action)
    return f"GPU allocation {identity} {verb}"


def subject_event(kind: str, subject_id: object, action: str) -> str:
    """Return the message of what happened to anything but an allocation."""
    identity, verb = re.sub(r"\s+", "_", str(subject_id)), re.sub(r"\W+", "_", action)
    return f"GPU {kind} {identity} {verb}"


def temperature_event(device_id: str, temperature_celsius: float) -> str:
    """Return the message of a temperature event, as log pipelines take it apart."""
    identity = re.sub(r"\s+", "_", device_id)
    return f"GPU device {identity} temperature {temperature_celsius:.1f} celsius"


@lru_cache(maxsize=4096)
def class_name(logger_name: str) -> str:
    """Return a logger's name as two or more words of letters and digits with dots between.

    Both definitions of a Java class name in circulation accept only this form.
    """
    words = [_NOT_IN_CLASS.sub("", part) for part in logger_name.split(".")]
    words = [word if word[0].isalpha() else f"x{word}" for word in words if word]
    if not words:
        words = ["root"]
    return ".".join(words if len(words) > 1 else [*words, "main"])


def level_word(level: int) -> str:
    """Return the word of a level: DEBUG, INFO, WARNING or ERROR."""
    return next((word for least, word in _LEVELS if level >= least), "DEBUG")


class _OneLineFormatter(structlog.stdlib.ProcessorFormatter):
    """Renders records of our loggers and of every library alike."""

    def __init__(self, render: structlog.typing.Processor) -> None:
        """Render with one function, tracebacks already made into text."""
        super().__init__(
            processors=[render],
            foreign_pre_chain=[
                structlog.contextvars.merge_contextvars,
                structlog.processors.format_exc_info,
            ],
        )

    def format(self, record: logging.LogRecord) -> str:
        """Return the line; a message that does not fit its arguments is shown with them."""
        try:
            return super().format(record)
        except (TypeError, ValueError, KeyError):
            plain = logging.makeLogRecord(record.__dict__)
            plain.msg, plain.args = f"{record.msg} {record.args!r}", ()
            return super().format(plain)


def _render_text(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    """Write one event as text; whatever follows " - " is free."""
    record = event["_record"]
    fields = [f"{name}={_field(value)}" for name, value in _fields(event).items()]
    tail = [f"[rid={request_id.get()}]"] if request_id.get() else []
    trace = [str(event["exception"])] if event.get("exception") else []
    message = " ".join([str(event.get("event", "")), *fields, *tail, *trace])
    message = _guarded(one_line(mask_secrets(message)))
    stamp = _time(record).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    return f"{stamp} {level_word(record.levelno)} {class_name(record.name)} - {message}"


def _render_json(_logger: object, _method: str, event: MutableMapping[str, Any]) -> str:
    """Write one event as a JSON object."""
    record = event["_record"]
    document: dict[str, object] = {
        "timestamp": _time(record).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z",
        "level": level_word(record.levelno),
        "class": class_name(record.name),
        "message": _guarded(mask_secrets(str(event.get("event", "")))),
        "requestId": request_id.get(),
        "traceId": trace_id.get(),
        "fields": _fields(event) or None,
        "exception": mask_secrets(str(event.get("exception") or "")) or None,
    }
    present = {name: value for name, value in document.items() if value is not None}
    return json_line(json.dumps(present, ensure_ascii=False, default=_masked_text))


def _fields(event: Mapping[str, Any]) -> dict[str, object]:
    """Return what the caller gave beside the message, secrets masked."""
    apart = {"event", "exception", "exc_info", "_record", "_from_structlog"}
    return {
        name: MASK if is_secret_name(name) else _masked_value(value)
        for name, value in event.items()
        if name not in apart
    }


def _masked_value(value: object) -> object:
    """Return a field without the secrets its texts may hold."""
    if isinstance(value, Mapping):
        return {
            str(k): MASK if is_secret_name(str(k)) else _masked_value(v) for k, v in value.items()
        }
    if isinstance(value, (list, tuple)):
        return [_masked_value(part) for part in value]
    return value if isinstance(value, (bool, int, float, type(None))) else _masked_text(value)


def _masked_text(value: object) -> str:
    """Return a value as text without the secrets in it."""
    return mask_secrets(str(value))


def _field(value: object) -> str:
    """Write a value so that its end can be seen."""
    text = str(value)
    return text if _PLAIN_VALUE.fullmatch(text) else json.dumps(text, ensure_ascii=False)


def _guarded(message: str) -> str:
    """Keep the word "allocation" for allocation events: pipelines read two fields after it."""
    event = _ALLOCATION_EVENT.match(message)
    kept = event.end() if event else 0
    return message[:kept] + _STRAY_ALLOCATION.sub("allocation: ", message[kept:])


def _time(record: logging.LogRecord) -> datetime:
    """Return when a record was made, in UTC."""
    return datetime.fromtimestamp(record.created, tz=UTC)


def _file_handler(file: Path, settings: Logging) -> logging.Handler:
    """Return the handler of the log file, which starts a new one when it is full."""
    file.parent.mkdir(parents=True, exist_ok=True)
    return RotatingFileHandler(
        file,
        maxBytes=settings.rotate_mb * _MIB,
        backupCount=settings.rotate_keep,
        encoding="utf-8",
        errors="backslashreplace",
    )


def _route_libraries() -> None:
    """Take away the handlers that libraries bring, so that their lines come through ours."""
    for name in _BRING_HANDLERS:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    # It writes the address of every request, and that of a webhook is its secret.
    level = max(logging.WARNING, logging.getLogger().level)
    logging.getLogger(_HTTP_CLIENT).setLevel(level)
    logging.captureWarnings(capture=True)
