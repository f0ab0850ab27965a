"""The composition root: back-test and demo, the only code that sees both ends of a protocol."""
