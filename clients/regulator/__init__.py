"""The regulator: its own copy of the log, exported and verified without trusting whoever wrote it.

write_export(Path("export.zip"), trail)                         # docs/export.md: what is in it
verdict = verify(Path("export.zip"), Policy.read(policy_toml))  # docs/regulator.md: ten numbered steps
verdict.holds, verdict.first                                    # the first step and entry that fail

Nothing is imported here: `verify` brings the accountants with it, seconds that no other command should pay.
"""
