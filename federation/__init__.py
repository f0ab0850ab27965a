"""What the members of a federation govern: catalogue, encoding, privacy, ledger, scorecard, evaluation, plans."""
