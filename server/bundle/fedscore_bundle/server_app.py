"""The coordinator's side: hand Flower's grid to the installed round driver, which owns the loop and every check."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Drive the run named in the run configuration, in the home of the coordinator that launched this process.

    One driver per run at a time: one that was given up may still be about to write its last checkpoint.
    """
    from server.round_driver import drive

    run, home = str(context.run_config["run"]), Path(os.environ["FEDSCORE_COORDINATOR_HOME"])
    with (home / "runs" / run / "driver.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        drive(grid, run=run, home=home)
