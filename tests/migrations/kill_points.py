"""Run as a program: opens copies of a ledger, and dies in each at another step, as if the power went.

    python kill_points.py LEDGER_FOLDER OUT_FOLDER

A step is a line of the store that opening a ledger comes to. A child process opens a copy of its own and ends without
another word when it comes to its line; what it leaves is looked at by whoever started this. Prints the lines.
"""

import json
import os
import shutil
import sys
from pathlib import Path
from types import FrameType

from gateway.edge.store import files, migrations, salvage, schema

_WATCHED = frozenset(module.__file__ for module in (files, migrations, salvage, schema))


class _Steps:
    """Follows the lines of the store; ends the process at the first visit of one of them."""

    def __init__(self, fatal: int | None) -> None:
        self.seen: dict[tuple[str, int], None] = {}
        self._fatal = fatal

    def trace(self, frame: FrameType, event: str, argument: object) -> "object | None":
        """Be the trace function of the interpreter."""
        del argument
        if frame.f_code.co_filename not in _WATCHED:
            return None
        if event == "line":
            self.seen[frame.f_code.co_filename, frame.f_lineno] = None
            if len(self.seen) == self._fatal:
                os._exit(9)
        return self.trace


def _open_traced(folder: Path, fatal: int | None) -> _Steps:
    steps = _Steps(fatal)
    sys.settrace(steps.trace)  # type: ignore[arg-type]
    schema.prepare(folder / "ledger.db")
    sys.settrace(None)
    return steps


def _main(source: Path, out: Path) -> None:
    shutil.copytree(source, out / "whole")
    steps = _open_traced(out / "whole", None)
    for fatal in range(1, len(steps.seen) + 1):
        folder = out / str(fatal)
        shutil.copytree(source, folder)
        child = os.fork()
        if child == 0:
            _open_traced(folder, fatal)
            os._exit(0)
        _, status = os.waitpid(child, 0)
        if os.waitstatus_to_exitcode(status) != 9:
            raise SystemExit(f"step {fatal} was not reached")
    lines = [f"{Path(file).name}:{line}" for file, line in steps.seen]
    sys.stdout.write(json.dumps(lines))


if __name__ == "__main__":
    _main(Path(sys.argv[1]), Path(sys.argv[2]))
