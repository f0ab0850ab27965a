"""Two thin apps between Flower and fedscore. They hold no data, no keys and no decision."""
