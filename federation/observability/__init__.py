"""What an operator sees of a running process: metrics, health, nothing of a person. Names and limits: `names`."""
