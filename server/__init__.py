"""Who is joined: round driver, membership, checkpoints, models, the Flower SuperLink."""
