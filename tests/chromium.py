"""Find a Chromium for the browser tests, or bring one: installed, else Playwright's, else Debian's package."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


def installed() -> str:
    """Return the path of a browser that is there, empty when none is."""
    asked = os.environ.get("CHROMIUM", "")
    found = asked or next((path for name in NAMES if (path := shutil.which(name))), "")
    return found or of_playwright()


def of_playwright() -> str:
    """Return Playwright's own browser when it was downloaded before."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        path = playwright.chromium.executable_path
    return path if Path(path).exists() else ""


def bring() -> str:
    """Install a browser; return its path or end with what a person can do."""
    attempts = [[sys.executable, "-m", "playwright", "install", "chromium"]]
    if hasattr(os, "geteuid") and os.geteuid() == 0 and shutil.which("apt-get"):
        attempts += [["apt-get", "update", "-qq"], ["apt-get", "install", "-y", "-qq", "chromium"]]
    for command in attempts:
        try:
            subprocess.run(
                command, check=False, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=300
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            sys.stderr.write(f"{' '.join(command)}: {error}\n")
        found = installed()
        if found:
            return found
    sys.exit("No Chromium for the browser tests. Install one and put it on PATH, or name it with CHROMIUM=….")


def main() -> None:
    """Make sure that a browser is there."""
    sys.stdout.write(f"Chromium: {installed() or bring()}\n")


if __name__ == "__main__":
    main()
