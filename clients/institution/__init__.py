"""An institution: home, node, data, training, scores. Private keys and records never leave it."""
