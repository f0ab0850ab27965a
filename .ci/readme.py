"""readme.py FILE [RAN ...]: run every shell block of a Markdown file that is marked ```sh; fail where one fails.

Blocks run in order, each line by its own, from the repository's root; but for the commands RAN, which have been run. A
line that reads `../shared/data` is left out, and said so, where that folder is absent: the data is not part of the
project.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

BLOCK = re.compile(r"^```sh\n(.*?)^```", re.MULTILINE | re.DOTALL)


def commands(markdown: str) -> list[str]:
    """The commands of all ```sh blocks, continuation lines joined, comments and `git clone`/`cd` lines dropped."""
    joined = "\n".join(BLOCK.findall(markdown)).replace("\\\n", " ")
    lines = (line.strip() for line in joined.splitlines())
    return [line for line in lines if line and not line.startswith(("#", "git clone", "cd "))]


def main(path: str, *ran: str) -> int:
    environment = {**os.environ, "PATH": f"{Path('.venv/bin').resolve()}{os.pathsep}{os.environ['PATH']}"}
    for command in commands(Path(path).read_text()):
        if "../shared/data" in command and not Path("../shared/data").is_dir():
            print(f"left out, no ../shared/data here: {command}", flush=True)
            continue
        if command in ran:
            print(f"already run: {command}", flush=True)
            continue
        started = time.monotonic()
        print(f"$ {command}", flush=True)
        code = subprocess.run(["bash", "-c", command], env=environment, check=False).returncode
        print(f"  exit {code} after {time.monotonic() - started:.0f} s", flush=True)
        if code:
            return code
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
