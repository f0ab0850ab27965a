"""A process is asked to end by either signal."""

from __future__ import annotations

import signal

import pytest

from federation.runtime.stop_signal import until_stopped


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_both_signals_ask_for_the_end(number: signal.Signals) -> None:
    before = {each: signal.getsignal(each) for each in (signal.SIGTERM, signal.SIGINT)}
    try:
        stop = until_stopped()
        assert not stop.is_set()
        signal.raise_signal(number)
        assert stop.wait(60)
    finally:
        for each, handler in before.items():
            signal.signal(each, handler)
