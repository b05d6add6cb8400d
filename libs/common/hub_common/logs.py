"""Structured logs in which only known keys have values: what nobody thought of cannot leak.

Buyers' addresses and marketplace keys reach log files through the one careless line. Here a line may say anything, but
only keys of `ALLOWED` keep their values; the names (never the values) of all others are listed under `dropped`.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from types import TracebackType
from typing import Any, Literal, TextIO
from uuid import UUID

import orjson
import structlog
from pydantic import SecretBytes, SecretStr
from structlog.typing import FilteringBoundLogger

from hub_common.trace import current

EventDict = MutableMapping[str, Any]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]

ALLOWED = frozenset(
    [
        "age",
        "attempt",
        "attempts",
        "bytes",
        "cause",
        "code",
        "component",
        "connection_id",
        "connector",
        "constraint",
        "count",
        "deadline",
        "detail",
        "duplicates",
        "duty",
        "effect_id",
        "error",
        "event_id",
        "fence",
        "group",
        "host",
        "instance",
        "key_id",
        "kind",
        "lag",
        "lane",
        "lease",
        "level",
        "library",
        "line_id",
        "login",
        "method",
        "offset",
        "offsets",
        "operation",
        "order_id",
        "outcome",
        "parcel_id",
        "partition",
        "partitions",
        "path_template",
        "phase",
        "pid",
        "policy",
        "port",
        "reason",
        "refund_id",
        "result",
        "retry_after",
        "role",
        "route_id",
        "rows",
        "seconds",
        "service",
        "shard",
        "sqlstate",
        "stack",
        "state",
        "status",
        "status_class",
        "tenant",
        "timestamp",
        "topic",
        "topics",
        "total",
        "trace",
        "type",
        "version",
    ]
)
"""Keys whose values are written. Adding one is a decision: its value must never be personal data or a secret."""

SECRET_NAME = re.compile(
    r"(?i)(secret|passw|token|api_?-?key$|authori[sz]ation|credential|cookie|signature|private|dsn)"
)
_SECRET_TEXT = re.compile(
    r"""(?ix)
    ( (?:api[-_]?key|token|secret|passwo?r?d|authorization|signature|cookie)
      ["']? \s*[=:]\s* ["']? (?:(?:bearer|basic)\s+)?
    | \b(?:bearer|basic)\s+ )
    [^\s"',;&]+"""
)
_URL_USER = re.compile(r"(?<=://)[^/\s@]+@")
MASK = "***"
MAX_TEXT = 500
"""Characters of one value; longer ones are answers or bodies, which do not belong in a log."""
MAX_ITEMS = 20
_UNWRITABLE = object()


@dataclass
class _Output:
    """Where lines go; set by `setup_logging`, safe before it."""

    format: Literal["json", "console"] = "json"
    level: int = logging.INFO
    stream: TextIO | None = None
    now: Callable[[], datetime] = lambda: datetime.now(UTC)  # lint-skip: no-wall-clock  log lines


_output = _Output()


def mask_text(text: str) -> str:
    """Shorten a text and blank what looks like a credential inside it (`Bearer …`, `token=…`, `user:pass@`)."""
    return _URL_USER.sub(f"{MASK}@", _SECRET_TEXT.sub(rf"\1{MASK}", text))[:MAX_TEXT]


def describe_error(error: BaseException) -> dict[str, str]:
    """Type and place of an exception without its message: messages of libraries quote rows, answers and headers."""
    frames: list[str] = []
    trace = error.__traceback__
    while trace is not None:
        frames.append(f"{trace.tb_frame.f_globals.get('__name__', '?')}:{trace.tb_lineno}")
        trace = trace.tb_next
    described = {"error": type(error).__name__, "stack": " > ".join(frames[-8:])}
    for key, attribute in (("sqlstate", "sqlstate"), ("constraint", "constraint_name")):
        value = getattr(error, attribute, None)
        if isinstance(value, str):
            described[key] = value
    return described


def _clean(value: object) -> object:
    """The value as it may be written, or `_UNWRITABLE` (mappings, models, bytes, long lists)."""
    if isinstance(value, SecretStr | SecretBytes):
        return MASK
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, Enum):
        return _clean(value.value)
    if isinstance(value, str):
        return mask_text(value)
    if isinstance(value, UUID | Decimal):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat()
    if isinstance(value, list | tuple | set | frozenset) and len(value) <= MAX_ITEMS:
        items = [_clean(item) for item in value]
        if not any(item is _UNWRITABLE or isinstance(item, list) for item in items):
            return items
    return _UNWRITABLE


def allow_list(_logger: Any, _method: str, line: EventDict) -> EventDict:
    """Keep known keys with harmless values; list the names of all others under `dropped`."""
    error = _exception_of(line.pop("exc_info", None))
    if error is not None:
        for key, text in describe_error(error).items():
            line.setdefault(key, text)
    kept: dict[str, Any] = {"event": mask_text(str(line.pop("event", "")))}
    dropped: list[str] = []
    for key, value in line.items():
        cleaned = _clean(value) if key in ALLOWED and not SECRET_NAME.search(key) else _UNWRITABLE
        if cleaned is _UNWRITABLE:
            dropped.append(mask_text(key)[:64])
        else:
            kept[key] = cleaned
    if dropped:
        kept["dropped"] = sorted(dropped)
    return kept


def _exception_of(exc_info: object) -> BaseException | None:
    if isinstance(exc_info, BaseException):
        return exc_info
    if isinstance(exc_info, tuple) and len(exc_info) == 3 and isinstance(exc_info[1], BaseException):
        return exc_info[1]
    return sys.exc_info()[1] if exc_info else None


def _traced(_logger: Any, _method: str, line: EventDict) -> EventDict:
    """Name the trace that the line belongs to, so that a log line leads to the order's whole story."""
    if "trace" not in line and (trace := current()) is not None:
        line["trace"] = trace.trace_id
    return line


def _stamp(_logger: Any, method: str, line: EventDict) -> EventDict:
    level = "error" if method == "exception" else method
    if logging.getLevelNamesMapping().get(level.upper(), logging.INFO) < _output.level:
        raise structlog.DropEvent
    line["level"] = level
    line["timestamp"] = _output.now().isoformat(timespec="milliseconds").replace("+00:00", "Z")
    if method == "exception":
        line.setdefault("exc_info", True)
    return line


def _render(_logger: Any, method: str, line: EventDict) -> str:
    if _output.format == "console":
        return _console(_logger, method, line)
    first = {key: line.pop(key) for key in ("timestamp", "level", "service", "event") if key in line}
    return orjson.dumps({**first, **line}, default=str).decode()


def _console(logger: Any, method: str, line: EventDict) -> str:
    stream = _output.stream or sys.stderr
    renderer = structlog.dev.ConsoleRenderer(colors=stream.isatty(), pad_event_to=28)
    return str(renderer(logger, method, line))


class _Sink:
    """Last step: one line to the stream in force now, so that set-up after import still counts."""

    def msg(self, message: str) -> None:
        stream = _output.stream or sys.stderr
        stream.write(message + "\n")
        stream.flush()

    log = debug = info = warning = warn = error = critical = fatal = failure = exception = err = msg


_PROCESSORS = (structlog.contextvars.merge_contextvars, _stamp, _traced, allow_list, _render)


def get_logger(service: str) -> FilteringBoundLogger:
    """A logger whose lines carry `service`. Safe at import time: nothing global is touched, the allow-list holds."""
    logger: FilteringBoundLogger = structlog.wrap_logger(
        _Sink(),
        processors=_PROCESSORS,
        wrapper_class=structlog.make_filtering_bound_logger(logging.NOTSET),
        context_class=dict,
        cache_logger_on_first_use=True,
    )
    return logger.bind(service=service)


def bound(**keys: Any) -> AbstractContextManager[Mapping[str, Any]]:
    """Put keys (`order_id`, `connection_id`, `trace`…) on every line of this task until the `with` block ends."""
    manager: AbstractContextManager[Any] = structlog.contextvars.bound_contextvars(**keys)
    return manager


class _LibraryHandler(logging.Handler):
    """Puts lines of libraries through the same allow-list. Only the first line of a message is kept."""

    def emit(self, record: logging.LogRecord) -> None:
        try:
            first = record.getMessage().partition("\n")[0]
        except (TypeError, ValueError):
            first = str(record.msg)
        line: EventDict = {"event": "library_log", "detail": first, "library": record.name, "exc_info": record.exc_info}
        try:
            line = _stamp(None, record.levelname.lower(), line)
        except structlog.DropEvent:
            return
        _Sink().msg(_render(None, record.levelname.lower(), allow_list(None, "", line)))


def setup_logging(
    format: Literal["json", "console"] = "json",
    level: str = "INFO",
    *,
    stream: TextIO | None = None,
    now: Callable[[], datetime] | None = None,
) -> None:
    """Choose format, level and stream for the whole process and route library logs (warnings and worse) through us.

    Raises `ValueError` for an unknown level. Called once by a process's main; calling again replaces the choice.
    """
    number = logging.getLevelNamesMapping().get(level.upper())
    if number is None:
        raise ValueError(f"log level: {level!r} is not one of DEBUG, INFO, WARNING, ERROR, CRITICAL")
    _output.format, _output.level, _output.stream = format, number, stream
    if now is not None:
        _output.now = now
    root = logging.getLogger()
    root.handlers = [handler for handler in root.handlers if not isinstance(handler, _LibraryHandler)]
    root.addHandler(_LibraryHandler())
    root.setLevel(max(number, logging.WARNING))
