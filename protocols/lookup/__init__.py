"""The private score query, pure: one layout, padded and masked tables, their audited sum, tickets that open one record.

No sockets, files, clocks or randomness: programs pass them in. `docs/lookup.md` is the protocol; these are its parts:

parameters, proposal, roster, manifest   what the members approve and sign
cadence                                 when they may
secrets, pads, table, merge             a member's padded, masked table; the sum the pool serves
layout, placement, dummies              where a subject stands, and the proofs that it stands there
rows, audit                             what the auditors recompute and sign before an epoch opens
context, ticket*, evidence              from a logged request to the pads of one subject; what a failure proves
engines                                 how the row asked for stays hidden
"""
