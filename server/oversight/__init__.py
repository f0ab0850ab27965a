"""The coordinator in the log: who is a member, what a run did; and the gate that averages only what the log shows."""
