"""The device's process by itself: `python -m gateway.edge FILE`. What `wayside run` becomes.

A device has no terminal. Libraries that would draw on one are left out before anything imports them: the expression
library brings a command line of its own, and the log library a renderer of tracebacks; both bring Rich and Pygments,
12 MB that nothing here ever calls.
"""

import sys
from pathlib import Path
from types import ModuleType

sys.modules["cel.cli"] = ModuleType("cel.cli")
# Importing it fails then, which its users are prepared for.
sys.modules["rich"] = None  # type: ignore[assignment]

try:
    from gateway.edge.app import run
except ModuleNotFoundError as error:
    sys.stderr.write(f"wayside: this needs {error.name!r}, which is not installed: install the extra 'edge'\n")
    sys.exit(1)

if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python -m gateway.edge FILE")
    sys.exit(run(Path(sys.argv[1])))
