"""The lattice that integer releases lie on: one number of a sum is a whole multiple of 1 / POINTS."""

POINTS = 2**32  # of the lattice, per unit of a gradient's norm
FEWEST_POINTS = 2**20  # that a standard deviation must span for the accounting to hold
MOST = 2**61  # of a sum, so that noise (below 2^60) never takes it out of int64
