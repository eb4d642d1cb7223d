"""What an import takes, in a fresh interpreter, with everything compiled.

Processor time, which other programs on the machine change little; without them it is the time that passes.
"""

from __future__ import annotations

import os
import subprocess
import sys

_TIMED = "from time import process_time as now; began = now(); {}; print(now() - began)"


def seconds(statement: str) -> float:
    """The processor time that `statement` alone takes, without the interpreter's own start."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        [sys.executable, "-c", _TIMED.format(statement)],
        env=environment,
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    )
    return float(done.stdout)
