"""Structured logs that cannot tell on anybody: one JSON object a line, of what is known to be harmless.

>>> import sys
>>> configure(stream=sys.stdout, clock=lambda: 0.0)
>>> get_logger("node").info("round trained", round=3, subject="ABC-123")  # doctest: +ELLIPSIS
{"time":"1970-01-01T00:00:00.000Z",...,"event":"round trained","round":3,"subject":"[redacted]"}

What is logged is an event (a constant lower-case phrase) and named fields. A field that is not on the list below is
redacted whatever it holds, and so is a text that has not the form of its field. An event that is not such a phrase, a
formatted message, and any message of another library are replaced by the place in the code they come from; of a message
with arguments the template is kept and the arguments are not. An error is its type and where it was raised: messages of
errors quote the values that caused them.
"""

from __future__ import annotations

import json
import logging
import math
import re
import sys
import threading
import time
import traceback
from collections.abc import Callable, Collection, Mapping
from datetime import UTC, datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path
from typing import Any, TextIO

from federation.errors import Refused

ROOT = "fedscore"
PACKAGES = (ROOT, "protocols", "federation", "clients", "server", "workbench")
REDACTED = "[redacted]"
_WORD, _NAME, _HASH, _KEY_ID = r"[A-Za-z_]{1,64}", r"[a-z0-9._:-]{1,128}", r"[0-9a-f]{64}", r"[0-9a-f]{16}"
_PLACE = r"[a-z_]{1,32}(?:\.[a-z_]{1,32}){0,4}"  # of a message or a plan: "request.deadline_ms"
# The fields that may be written, and the only form a text in each may have; numbers may be written in all of them.
# To add one is to promise that its value never comes from a record or a key.
FIELDS = {
    **dict.fromkeys(("code", "kind", "phase", "state"), re.compile(_WORD)),
    **dict.fromkeys(("institution", "run_id", "version"), re.compile(_NAME)),
    **dict.fromkeys(("key_id", "signer"), re.compile(_KEY_ID)),
    "where": re.compile(_PLACE),
    **{
        f"{of}_hash": re.compile(_HASH) for of in ("bundle", "catalogue", "entry", "model", "plan", "request", "update")
    },
    **dict.fromkeys(("attempt", "attempts", "bytes", "count", "deadline_ms", "epsilon", "exit_code"), None),
    **dict.fromkeys(("members", "pid", "port", "quorum", "reservation", "round", "rounds", "seconds"), None),
    **dict.fromkeys(("holdout", "quarantined", "records", "training"), None),
}
_TEMPLATE = re.compile(r"(?:[a-z ,:;.'()/-]|%[sdr])+")
_EVENT = re.compile(r"[a-z]+(?:[ ,'-]{1,2}[a-z]+){0,11}")
_MAX_BYTES = 10 * 2**20
_EXTRA = "fedscore_fields"


class EventLogger:
    """Logs events with named fields; made by `get_logger`."""

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def debug(self, event: str, /, **fields: object) -> None:
        self._log(logging.DEBUG, event, fields, None)

    def info(self, event: str, /, **fields: object) -> None:
        self._log(logging.INFO, event, fields, None)

    def warning(self, event: str, /, **fields: object) -> None:
        self._log(logging.WARNING, event, fields, None)

    def error(self, event: str, /, *, error: BaseException | None = None, **fields: object) -> None:
        """`error` is written as its type, its refusal code if it has one, and where it was raised."""
        self._log(logging.ERROR, event, fields, error)

    def _log(self, level: int, event: str, fields: Mapping[str, object], error: BaseException | None) -> None:
        self._logger.log(level, "%s", event, exc_info=error, extra={_EXTRA: (event, dict(fields))}, stacklevel=3)


def get_logger(name: str) -> EventLogger:
    """The logger of one part of the program ("node", "ledger"), under the project's own root."""
    return EventLogger(logging.getLogger(f"{ROOT}.{name}"))


def configure(
    *,
    stream: TextIO | None = None,
    path: Path | None = None,
    level: str = "INFO",
    clock: Callable[[], float] = time.time,
) -> None:
    """Send every log of this process, other libraries' included, to `stream` and to the rotating file `path`.

    `level` is that of the project's own packages; others are heard from warnings on. Replaces what was configured
    before. The file is readable by its owner only.
    """
    root = logging.getLogger()
    for handler in list(root.handlers):
        if isinstance(handler.formatter, RedactingFormatter):
            root.removeHandler(handler)
            handler.close()
    for handler in _handlers(stream, path):
        handler.setFormatter(RedactingFormatter(clock))
        root.addHandler(handler)
    root.setLevel(logging.WARNING)
    for package in PACKAGES:
        logging.getLogger(package).setLevel(level)


def configure_process(path: Path | None = None, *, keep: Collection[str] = ()) -> None:
    """For the `main` of a long-lived process: `configure` to stderr and `path`, and no other way out.

    Handlers that libraries installed are removed, but those of the loggers in `keep`, which see no record. What nobody
    catches, in any thread, and Python's warnings become log lines too: Python's own report of them quotes messages.
    """
    logging.getLogger().handlers.clear()
    for name in [*logging.root.manager.loggerDict]:
        logger = logging.getLogger(name)
        if name not in keep:
            logger.handlers.clear()
        logger.propagate = name not in keep
    configure(stream=sys.stderr, path=path)
    logging.captureWarnings(True)
    log = get_logger("process")
    sys.excepthook = lambda _kind, error, _trace: log.error("process ended by an error", error=error)
    threading.excepthook = lambda hook: log.error("thread ended by an error", error=hook.exc_value)
    sys.unraisablehook = lambda hook: log.error("error while cleaning up", error=hook.exc_value)


def _handlers(stream: TextIO | None, path: Path | None) -> list[logging.Handler]:
    handlers: list[logging.Handler] = []
    if stream is not None:
        handlers.append(logging.StreamHandler(stream))
    if path is not None:
        path.touch(mode=0o600, exist_ok=True)
        handlers.append(RotatingFileHandler(path, maxBytes=_MAX_BYTES, backupCount=5, encoding="utf-8"))
    return handlers


class RedactingFormatter(logging.Formatter):
    """One JSON line of a log record, of harmless fields only."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        super().__init__()
        self._clock = clock

    def format(self, record: logging.LogRecord) -> str:
        line: dict[str, object] = {
            "time": _time(self._clock()),
            "level": record.levelname.lower(),
            "logger": record.name,
        }
        event, fields = getattr(record, _EXTRA, (None, {}))
        line["event"] = _event(record, event) or f"message at {record.module}.{record.funcName}:{record.lineno}"
        line.update({name: _field(name, value) for name, value in fields.items() if name not in line})
        if record.exc_info and record.exc_info[1] is not None:
            line["error"] = _error(record.exc_info[1])
        return json.dumps(line, separators=(",", ":"), allow_nan=False)


def _event(record: logging.LogRecord, event: object) -> str | None:
    """The words of the program itself: an event of its form, or the template of a message with arguments."""
    if isinstance(event, str):
        return event if _EVENT.fullmatch(event) else None
    template = record.msg if record.args and isinstance(record.msg, str) else ""
    return template if _TEMPLATE.fullmatch(template) else None


def _field(name: str, value: object) -> object:
    if name not in FIELDS:
        return REDACTED
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    form = FIELDS[name]
    return str(value) if form and isinstance(value, str) and form.fullmatch(value) else REDACTED


def _error(error: BaseException) -> dict[str, Any]:
    frames = traceback.extract_tb(error.__traceback__)
    described: dict[str, Any] = {"type": type(error).__name__}
    if frames:
        described["at"] = [f"{Path(frame.filename).stem}.{frame.name}:{frame.lineno}" for frame in frames[-5:]]
    if isinstance(error, Refused):
        described["code"] = _field("code", str(error.code))
    cause = error.__cause__ or error.__context__
    if cause is not None:
        described["cause"] = type(cause).__name__
    return described


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
