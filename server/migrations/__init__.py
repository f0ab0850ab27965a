"""The schema of the coordinator's membership, revision by revision."""
