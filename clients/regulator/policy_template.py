"""A policy to be filled in.

>>> import tomllib
>>> sorted(tomllib.loads(template()))
['accounting', 'audits_must_pass', 'caps', 'keys', 'name', 'replays_required', 'witnesses']
"""

from __future__ import annotations


def template() -> str:
    """TOML with every key that a policy may have, its default and what it means."""
    return """\
# What the regulator knows of its own accord, and what it demands (docs/regulator.md).
# Keys are Ed25519, 64 hexadecimal digits, learnt from the parties themselves: never from an export.

name = "regulator"
audits_must_pass = true            # an audit or replay that failed, or came too late, fails step 8 or 9
replays_required = false           # true: no training round that could not be replayed
# faults = 1                       # f: how many witnesses may lie; floor((n - 1) / 3) where it is left out

[keys]
log = ""
coordinator = ""
regulator = ""
# ombudsman = ""                   # second holder of the seeds of spot checks (docs/spot-checks.md): no draw without it

[[witnesses]]                      # the regulator's own, and one table for each member's
name = "regulator"
key = ""
required = true                    # no quorum without it

[caps]
run = 1.0                          # most epsilon of one run, by PLD
year = 3.0                         # of a calendar year, by a Renyi filter
lifetime = 10.0                    # of an institution, by a Renyi filter
delta = 1e-5                       # largest delta that anything may be measured at: what plans and caps take
records_per_delta = 10.0           # delta at most 1 / (this x nominal records)
noise_multiplier = 0.5             # least noise of any release
# person = 10.0                    # most epsilon of a person known to several institutions, over all time
# person_institutions = 3          # how many of them; all, where it is left out

[accounting]
agreement = 0.02                   # what two accountants may differ by
sample = 16                        # entries whose PLD and PRV are recomputed, beside every end of run, year, lifetime
# compositions = 500               # histories of one institution that are recomputed; more are a fault of its
# mechanisms = 100                 # different ones in a history
seed = ""                          # hexadecimal digits nobody else knows: then nobody can tell which are drawn

# [seen]                           # the last checkpoint that was verified: a later log may only add to it
# size = 0
# root = ""
"""
