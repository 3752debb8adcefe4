"""Run a command that ends with its parent, where the kernel offers no parent-death signal.

`python -m ecsconsole.guard COMMAND…` with a pipe from the parent as standard input: the pipe closes when the parent
ends, whatever ended it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading


def main() -> int:
    """Run the command and return its exit code."""
    process = subprocess.Popen(sys.argv[1:], stdin=subprocess.DEVNULL)  # noqa: S603 - our parent's command

    def forward(number: int, frame: object) -> None:
        process.send_signal(number)

    def watch() -> None:
        while os.read(0, 1024):
            pass
        process.kill()

    signal.signal(signal.SIGTERM, forward)
    threading.Thread(target=watch, daemon=True).start()
    return process.wait()


if __name__ == "__main__":
    sys.exit(main())
