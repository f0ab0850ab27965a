"""A log in a file, and what runs in a child process that is killed."""

from __future__ import annotations

import os
import threading
from itertools import count
from pathlib import Path

from protocols.canonical import canonical
from protocols.transparency import LogKey, WitnessKey, attach, cosign, split_note
from server.log import LogStore

KEY = LogKey.from_seed("example.com/log", bytes(32))
NOW = 1_900_000_000.5
KIND = "example"
WITNESS = WitnessKey.from_seed("example.com/w1", bytes([1]) * 32)


def open_log(url: str) -> LogStore:
    return LogStore.open(url, KEY, lambda: NOW)


def body(*what: object) -> bytes:
    return canonical([str(each) for each in what])


def append_until_killed(url: str, promised: str, run: int) -> None:
    """Four threads; each promise is written to `promised`, unbuffered, once it is given."""
    log = open_log(url)
    out = os.open(promised, os.O_WRONLY | os.O_APPEND)

    def append(thread: int) -> None:
        number = 0
        while True:
            promise = log.append(KIND, body(run, thread, number))
            os.write(out, promise.encode() + b"\n")
            number += 1

    threads = [threading.Thread(target=append, args=(each,), daemon=True) for each in range(4)]
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def publish_until_killed(url: str, shown: str, anchor: str, run: int) -> None:
    """Two threads append, one publishes and has cosigned; each note is written to `shown` once the store has it all."""
    log = LogStore.open(url, KEY, lambda: NOW, anchor=Path(anchor))
    out = os.open(shown, os.O_WRONLY | os.O_APPEND)

    def append(thread: int) -> None:
        for number in count():
            log.append(KIND, body(run, thread, number))

    def publish() -> None:
        while True:
            note = log.checkpoint()
            line = cosign(split_note(note)[0], WITNESS, NOW)
            log.cosign(attach(note, [line]), [WITNESS.public])
            os.write(out, attach(note, [line]).hex().encode() + b"\n")

    threads = [threading.Thread(target=append, args=(each,), daemon=True) for each in range(2)]
    threads.append(threading.Thread(target=publish, daemon=True))
    for each in threads:
        each.start()
    for each in threads:
        each.join()


def append_some(url: str, name: str, count: int) -> None:
    log = open_log(url)
    for number in range(count):
        log.append(KIND, body(name, number))
        log.append(KIND, body("the same for all", number))


def url_of(folder: Path) -> str:
    return f"sqlite:///{folder / 'log.db'}"
