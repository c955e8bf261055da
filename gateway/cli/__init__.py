"""The command `wayside`: parses, calls, prints. What it calls is imported where it is used, so `--help` is quick.

Exit codes: 0 done; 1 what was asked about is wrong (a campaign, a release, a demo step); 2 the call itself is.
"""

from gateway.cli.command import main

__all__ = ["main"]
