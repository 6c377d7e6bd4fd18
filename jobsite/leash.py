"""`python -m jobsite.leash PARENT COMMAND…` becomes the command, and ends with process PARENT.

It stands between a parent and its child because the child has to ask for this itself: `make` cannot
have it do so, and a supervisor's threads make it unsafe to run Python between fork and exec.
"""

from __future__ import annotations

import os
import signal
import sys

from jobsite.process_control import die_with_parent


def main(arguments: list[str]) -> None:
    """Replace this process by the command; never returns."""
    parent, *command = arguments
    die_with_parent(signal.SIGTERM, int(parent))
    os.execvp(command[0], command)


if __name__ == "__main__":
    main(sys.argv[1:])
