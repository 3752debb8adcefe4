"""The demo stack as a person starts it, and a browser that forgives nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, expect, sync_playwright

from ecsconsole.children import free_port
from tests.chromium import installed

ROOT = Path(__file__).resolve().parents[2]
AXE = ROOT / "tests" / "vendor" / "axe-core-4.14.1" / "axe.min.js"
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
# The world runs this much faster, so that a rollout of minutes passes in seconds.
SPEED = 12
# A browser says this itself for every answer over 399; the tests that ask for one expect it.
EXPECTED_NOISE = "Failed to load resource: the server responded with a status of 4"


@dataclass
class Demo:
    """A running demo."""

    url: str
    folder: Path
    process: subprocess.Popen[str]
    started_in: float
    output: str = ""

    @property
    def environment(self) -> dict[str, str]:
        """Return what a management command needs to work on the demo's data."""
        return {**os.environ, "ECSCONSOLE_VAR_DIR": str(self.folder), "ECSCONSOLE_LOCAL": "1"}


def clean_environment() -> dict[str, str]:
    """Return the environment of a person's shell, without what the tests have set for themselves."""
    names = (
        "REDIS_URL",
        "TEST_REDIS",
        "ECSCONSOLE_VAR_DIR",
        "SECRET_KEY",
        "AWS_BUDGET_SHARE",
        "AWS_ENDPOINT_URL",
        "DATABASE_URL",
        "LOG_LEVEL",
    )
    return {name: value for name, value in os.environ.items() if name not in names}


def start_demo(folder: Path, *arguments: str) -> Demo:
    """Start the demo and wait until it prints its block; two that start at once must not want the same port."""
    return start("demo", folder, "--sandbox-port", str(free_port()), *arguments)


def start(
    verb: str,
    folder: Path,
    *arguments: str,
    environment: dict[str, str] | None = None,
    until: str = "Stop with Ctrl-C",
) -> Demo:
    """Start a stack by its verb and wait until it prints a line."""
    port = free_port()
    started = time.monotonic()
    command = [
        sys.executable,
        "-m",
        "ecsconsole.cli",
        verb,
        "--port",
        str(port),
        "--var-dir",
        str(folder),
        *arguments,
    ]
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        env=clean_environment() | (environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    demo = Demo(f"http://127.0.0.1:{port}", folder, process, 0.0)
    assert process.stdout is not None
    for line in process.stdout:
        demo.output += line
        if until in line:
            demo.started_in = time.monotonic() - started
            return demo
    raise AssertionError(f"{verb} did not start:\n{demo.output}")


def stop_demo(demo: Demo) -> float:
    """Stop the demo as Ctrl-C does; return how many seconds it took."""
    started = time.monotonic()
    demo.process.send_signal(signal.SIGINT)
    demo.process.wait(timeout=20)
    return time.monotonic() - started


@pytest.fixture(scope="session")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    running = start_demo(tmp_path_factory.mktemp("demo"), "--speed", str(SPEED))
    yield running
    if running.process.poll() is None:
        stop_demo(running)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    # Room for a busy machine; nothing is asserted about speed here.
    expect.set_options(timeout=20_000)
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=installed(), args=ARGUMENTS)
        yield chromium
        chromium.close()


@dataclass
class Watched:
    """A page that keeps what went wrong on it."""

    page: Page
    problems: list[str] = field(default_factory=list)

    def note_console(self, message: ConsoleMessage) -> None:
        if message.type == "error" and not message.text.startswith(EXPECTED_NOISE):
            self.problems.append(f"console: {message.text}")

    def check_accessibility(self) -> None:
        """Run axe on the page as it is now; `evaluate` works under the CSP where a script tag does not."""
        self.page.evaluate(AXE.read_text(encoding="utf-8"))
        result = self.page.evaluate(
            "axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa']})"
        )
        for violation in result["violations"]:
            nodes = "; ".join(node["html"][:200] for node in violation["nodes"][:3])
            self.problems.append(f"axe {violation['id']} on {self.page.url}: {nodes}")


SignIn = Callable[..., Page]
CSP_LISTENER = """
window.__csp = [];
document.addEventListener('securitypolicyviolation', e => window.__csp.push(e.violatedDirective + ' ' + e.blockedURI));
"""


@pytest.fixture
def watched(browser: Browser, demo: Demo) -> Iterator[Callable[..., Watched]]:
    """Return a function that opens a fresh browser context; every problem seen on its pages fails the test."""
    opened: list[tuple[BrowserContext, Watched]] = []

    def open_page(**options: object) -> Watched:
        context = browser.new_context(base_url=demo.url, **options)  # type: ignore[arg-type]
        context.add_init_script(CSP_LISTENER)
        context.set_default_timeout(30_000)
        page = context.new_page()
        found = Watched(page)
        page.on("console", found.note_console)
        page.on("pageerror", lambda error: found.problems.append(f"script: {error}"))
        opened.append((context, found))
        return found

    yield open_page
    problems: list[str] = []
    for context, found in opened:
        for page in context.pages:
            if page.url.startswith("http"):
                problems += [f"csp: {violation}" for violation in page.evaluate("window.__csp || []")]
        problems += found.problems
        context.close()
    assert problems == []


@pytest.fixture
def sign_in(watched: Callable[..., Watched]) -> Callable[..., Watched]:
    """Return a function that signs a person in and leaves them on the fleet page."""

    def sign_in_as(name: str, **options: object) -> Watched:
        found = watched(**options)
        found.page.goto("/sign-in/")
        found.page.fill("input[name=username]", name)
        found.page.fill("input[name=password]", "demo")
        found.page.click("button[type=submit]")
        found.page.wait_for_url("**/")
        return found

    return sign_in_as


def get_status(url: str) -> int:
    with urllib.request.urlopen(url, timeout=5) as answer:
        status: int = answer.status
        return status
