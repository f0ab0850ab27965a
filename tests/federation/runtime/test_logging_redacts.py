"""A planted subject identifier and a planted key are looked for in everything that is logged."""

from __future__ import annotations

import io
import json
import logging
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from federation.errors import RecordsError, Refused
from federation.runtime.logging import PACKAGES, REDACTED, RedactingFormatter, configure, get_logger
from protocols.signing import SigningKey

SUBJECT = "RSSMRA80A01H501U"
KEY = SigningKey.from_seed(bytes(range(32)))
PEM = KEY.to_pem().decode()


@pytest.fixture
def lines(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[], list[dict[str, object]]]]:
    monkeypatch.setattr(logging.getLogger("flwr"), "propagate", True)  # Flower keeps its logs, once it is loaded
    stream = io.StringIO()
    root, names = logging.getLogger(), ("", *PACKAGES)
    levels = {name: logging.getLogger(name).level for name in names}
    configure(stream=stream, level="DEBUG", clock=lambda: 1.5)
    yield lambda: [json.loads(line) for line in stream.getvalue().splitlines()]
    for handler in [h for h in root.handlers if isinstance(h.formatter, RedactingFormatter)]:
        root.removeHandler(handler)
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def _raise_with(error: Exception) -> Exception:
    try:
        try:
            raise KeyError(SUBJECT)
        except KeyError as cause:
            raise error from cause
    except Exception as raised:
        return raised


def _log_everywhere(secret: str) -> None:
    log = get_logger("node")
    log.debug("fields of every kind", subject=secret, code=[secret], run_id={"id": secret}, state=secret)
    log.debug("fields of every form", phase=secret, kind=secret, key_id=secret, round=secret, seconds=secret)
    log.info(f"trained on {secret}", round=1)
    log.warning(secret, error_text=secret)
    log.error("round failed", error=_raise_with(ValueError(secret)), got=secret)
    log.error("round refused", error=_raise_with(Refused("late", "deadline", got=secret, expected="now")))
    log.error("records refused", error=_raise_with(RecordsError(f"row of {secret}", got=secret, expected="a number")))
    for name in ("fedscore.node", "grpc", "flwr.client", "polars"):
        foreign = logging.getLogger(name)
        foreign.error("failed for %s", secret)
        foreign.error(f"failed for {secret}")
        foreign.error({"subject": secret})
        foreign.error("failed", exc_info=_raise_with(RuntimeError(secret)), extra={"subject": secret})


@pytest.mark.parametrize("secret", [SUBJECT, PEM, KEY._key.private_bytes_raw().hex(), "Maria Rossi", "score 612"])
def test_a_planted_secret_never_appears(lines: Callable[[], list[dict[str, object]]], secret: str) -> None:
    _log_everywhere(secret)
    assert len(lines()) == 23
    text = json.dumps(lines(), ensure_ascii=False)
    for part in [secret, *secret.splitlines()[1:-1]]:
        assert part not in text


def test_without_redaction_it_would() -> None:
    stream = io.StringIO()
    logger = logging.getLogger("unredacted")
    handler = logging.StreamHandler(stream)
    logger.addHandler(handler)
    logger.error("failed for %s", SUBJECT)
    logger.removeHandler(handler)
    assert SUBJECT in stream.getvalue()


@given(st.text(alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789@/ ", min_size=4, max_size=40))
def test_no_identifier_passes_as_an_event(identifier: str) -> None:
    record = logging.LogRecord("fedscore.node", logging.INFO, "node.py", 7, "%s", (identifier,), None)
    record.fedscore_fields = (identifier, {})
    assert identifier not in json.loads(RedactingFormatter(lambda: 0.0).format(record))["event"]


def test_what_is_known_to_be_harmless_is_written(lines: Callable[[], list[dict[str, object]]]) -> None:
    get_logger("node").info(
        "round trained",
        run_id="r-1",
        round=3,
        seconds=0.25,
        epsilon=float("inf"),
        state=None,
        subject=SUBJECT,
        level="x",
    )
    assert lines() == [
        {
            "time": "1970-01-01T00:00:01.500Z",
            "level": "info",
            "logger": "fedscore.node",
            "event": "round trained",
            "run_id": "r-1",
            "round": 3,
            "seconds": 0.25,
            "epsilon": "inf",
            "state": None,
            "subject": REDACTED,
        }
    ]


def test_an_error_is_its_type_its_code_and_its_place(lines: Callable[[], list[dict[str, object]]]) -> None:
    get_logger("node").error("round refused", error=_raise_with(Refused("late", "deadline", got=1, expected=0)))
    error = lines()[0]["error"]
    assert isinstance(error, dict)
    assert (error["type"], error["code"], error["cause"]) == ("Refused", "late", "KeyError")
    assert error["at"][0].startswith("test_logging_redacts._raise_with:")
    get_logger("node").error("never raised", error=ValueError(SUBJECT))
    assert lines()[1]["error"] == {"type": "ValueError"}


def test_other_libraries_are_reduced_to_a_place(lines: Callable[[], list[dict[str, object]]]) -> None:
    logging.getLogger("grpc").warning("Channel closed")
    logging.getLogger("grpc").warning("channel to %s", SUBJECT)
    logging.getLogger("grpc").warning(f"channel to {SUBJECT}: %s", "closed")
    logging.getLogger("grpc").info("too quiet to be kept")
    logging.getLogger("clients.institution.node").info("refused %s", SUBJECT)
    place = "message at test_logging_redacts.test_other_libraries_are_reduced_to_a_place"
    events = [str(line["event"]).split(":")[0] for line in lines()]
    assert events == [place, "channel to %s", place, "refused %s"]


def test_the_file_is_its_owners_alone(lines: Callable[[], list[dict[str, object]]], tmp_path: Path) -> None:
    path = tmp_path / "node.jsonl"
    configure(path=path)
    get_logger("node").debug("not at this level")
    get_logger("node").info("node ready", pid=1)
    configure(path=path)
    get_logger("node").info("node ready", pid=2)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [json.loads(line)["pid"] for line in path.read_text().splitlines()] == [1, 2]
    assert lines() == []


PROCESS = """
import logging, sys, threading, warnings
noisy = logging.getLogger("library")
noisy.addHandler(logging.StreamHandler())
noisy.propagate = False
kept = logging.getLogger("carrier")
kept.addHandler(logging.StreamHandler(sys.stdout))
from federation.runtime.logging import configure_process
configure_process(keep=("carrier",))
secret = sys.argv[1]
noisy.warning("saw " + secret)
kept.warning("carried a message")
warnings.warn(secret)
def burst(): raise ValueError(secret)
thread = threading.Thread(target=burst)
thread.start()
thread.join()
class Dropped:
    def __del__(self): raise KeyError(secret)
Dropped()
raise RuntimeError(secret)
"""


def test_a_process_has_no_other_way_out() -> None:
    done = subprocess.run([sys.executable, "-c", PROCESS, SUBJECT], capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert SUBJECT not in done.stdout + done.stderr
    assert done.stdout == "carried a message\n"
    events = [json.loads(line) for line in done.stderr.splitlines()]
    assert [str(line["event"]).split(":")[0] for line in events] == [
        "message at <string>.<module>",
        "message at warnings._showwarnmsg",
        "thread ended by an error",
        "error while cleaning up",
        "process ended by an error",
    ]
    assert [line["error"]["type"] for line in events[2:]] == ["ValueError", "KeyError", "RuntimeError"]


def test_a_place_is_dotted_words_of_a_message(lines: Callable[[], list[dict[str, object]]]) -> None:
    for where in ("request.deadline_ms", "the record of subject X", "Rossi", "a" * 33, "rows.4711", "x.y\n"):
        get_logger("node").warning("request refused", where=where)
    assert [line["where"] for line in lines()] == ["request.deadline_ms", *[REDACTED] * 5]
