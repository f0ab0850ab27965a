"""What a node's first plan and first round would otherwise wait for."""

from __future__ import annotations

from threading import Thread

# As typical a round as any: what is computed for it fills the accountants' own tables.
_RATE, _MULTIPLIER, _STEPS, _DELTA = 0.2, 7.63, 5, 1e-5


def warm() -> None:
    """Import the accountants, torch and Opacus, and account once: about 3 s of CPU."""
    import federation.privacy.mechanism
    from federation.privacy import GaussianEvent, epsilons

    _ = federation.privacy.mechanism.GaussianMechanism
    epsilons([GaussianEvent(_RATE, _MULTIPLIER, _STEPS)], _DELTA)


def warm_behind() -> Thread:
    """`warm` on a thread of its own: the node answers meanwhile, and an exit waits for the imports to end."""
    thread = Thread(target=warm, name="warming")
    thread.start()
    return thread
