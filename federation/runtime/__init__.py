"""The edges of the house: settings, database, RPC, processes, Flower. Everything else in `federation` is pure."""
