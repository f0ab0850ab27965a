"""The regulator: its own copy of the log, exported and verified without trusting whoever wrote it.

write_export(Path("export.zip"), trail)                         # docs/export.md: what is in it
verdict = verify(Path("export.zip"), Policy.read(policy_toml))  # docs/regulator.md: ten numbered steps
verdict.holds, verdict.first                                    # the first step and entry that fail
"""

from clients.regulator.export import write_export
from clients.regulator.findings import Finding, StepResult, Verdict
from clients.regulator.policy import Policy
from clients.regulator.trail import Trail
from clients.regulator.verify import verify

__all__ = ["Finding", "Policy", "StepResult", "Trail", "Verdict", "verify", "write_export"]
