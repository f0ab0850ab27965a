"""The coordinator's side: hand Flower's grid to the installed round driver, which owns the loop and every check."""

from __future__ import annotations

import os
from pathlib import Path

from flwr.app import Context
from flwr.serverapp import Grid, ServerApp

app = ServerApp()


@app.main()
def main(grid: Grid, context: Context) -> None:
    """Drive the run named in the run configuration, in the home of the coordinator that launched this process."""
    from server.round_driver import drive

    drive(grid, run=str(context.run_config["run"]), home=Path(os.environ["FEDSCORE_COORDINATOR_HOME"]))
