"""The commands `demo` and `up`: a whole console from one terminal."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ecsconsole.children import free_port, is_listening, wait_for_port
from ecsconsole.stack import CannotStartError, Stack, check_port, open_data_folder

if TYPE_CHECKING:
    from aws.sts import Identity

READY_SECONDS = 60
SANDBOX_PORT = 4566
DEMO_MARK = "demo-data"


def parse_demo(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="ecsconsole demo", description="Run the console on a lifelike sandbox AWS."
    )
    parser.add_argument("--port", type=int, default=8000, help="port of the web server (8000)")
    parser.add_argument("--var-dir", type=Path, help="data folder (ECSCONSOLE_VAR_DIR, else var/demo)")
    parser.add_argument("--fresh", action="store_true", help="empty the data folder first")
    parser.add_argument(
        "--speed",
        type=float,
        default=1.0,
        help="how many times faster than AWS the sandbox takes its course (1)",
    )
    parser.add_argument("--scenario", default="acme", help="world to load (acme)")
    parser.add_argument("--sandbox-port", type=int, help="port of the sandbox AWS (4566, else a free one)")
    return parser.parse_args(arguments)


def parse_up(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="ecsconsole up", description="Run the console on your own AWS account."
    )
    parser.add_argument("--port", type=int, default=8000, help="port of the web server (8000)")
    parser.add_argument("--var-dir", type=Path, help="data folder (ECSCONSOLE_VAR_DIR, else var)")
    parser.add_argument(
        "--regions", help="regions to watch, comma-separated (ECSCONSOLE_REGIONS, else AWS_REGION)"
    )
    parser.add_argument(
        "--environment",
        choices=["production", "staging", "development"],
        default="production",
        help="how much care the account needs (production, the strictest)",
    )
    return parser.parse_args(arguments)


def data_folder(asked: Path | None, default: str) -> Path:
    return (asked or Path(os.environ.get("ECSCONSOLE_VAR_DIR") or default)).resolve()


def empty(folder: Path) -> None:
    """Empty a data folder of ours; anything else under that name stays untouched."""
    if not folder.exists() or not any(folder.iterdir()):
        return
    if not (folder / DEMO_MARK).exists():
        raise CannotStartError(
            f"{folder} holds no demo data, so it is not emptied. Name another with VAR_DIR=…."
        )
    shutil.rmtree(folder)


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def demo(arguments: Sequence[str]) -> int:
    """Run everything on the sandbox until stopped."""
    options = parse_demo(arguments)
    folder = data_folder(options.var_dir, "var/demo")
    check_port(options.port)
    if options.fresh:
        empty(folder)
    lock = open_data_folder(folder)
    (folder / DEMO_MARK).touch()
    stack = Stack(folder, options.port)
    stack.catch_signals()
    try:
        start_demo(stack, options)
        stack.run()
    finally:
        stack.stop()
        lock.close()
    return 0


def start_demo(stack: Stack, options: argparse.Namespace) -> None:
    """Start broker and sandbox, set up the data meanwhile, then the console."""
    from sandbox.identity import HUB_ACCESS_KEY, HUB_SECRET_KEY

    say("Starting the console on a sandbox AWS …")
    stack.start_broker()
    port = options.sandbox_port or (free_port() if is_listening(SANDBOX_PORT) else SANDBOX_PORT)
    stack.environment |= {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}",
        "AWS_ACCESS_KEY_ID": HUB_ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": HUB_SECRET_KEY,
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_EC2_METADATA_DISABLED": "true",
        "LEDGER_COPY_DIR": str(stack.folder / "ledger-copy"),
    }
    command = [sys.executable, "-m", "sandbox", "--port", str(port), "--scenario", options.scenario]
    sandbox = stack.start_base(
        "sandbox", [*command, "--pace", str(options.speed), "--parent-pid", str(os.getpid())]
    )
    stack.manage("demo_world", "--scenario", options.scenario)
    if not wait_for_port(port, sandbox, seconds=30):
        raise CannotStartError(
            f"The sandbox did not start; its output is in {stack.folder}/logs/console.log."
        )
    stack.start_console()
    stack.wait_until_ready(READY_SECONDS)
    if not stack.stopping.is_set():
        say(
            DEMO_BLOCK.format(
                url=stack.url, sandbox=stack.environment["AWS_ENDPOINT_URL"], folder=stack.folder
            )
        )


DEMO_BLOCK = """
  ecsconsole is ready:  {url}

    alice    operator          may deploy, restart, scale, roll back
    bob      release manager   approves what goes to production
    carol    viewer            looks
    dan      auditor           reads the ledger
    erin     admin             manages accounts and access
    frank    release manager   the second voice that an override needs
    gina     on-call           may break the glass; somebody else reviews it
    mallory  no role           sees nothing
    The password of each is: demo

  Sandbox AWS:  {sandbox}   (aws --endpoint-url {sandbox} ecs list-clusters)
  Data and logs: {folder}
  Stop with Ctrl-C.
"""


def up(arguments: Sequence[str]) -> int:
    """Run everything on the person's own AWS credentials until stopped."""
    options = parse_up(arguments)
    folder = data_folder(options.var_dir, "var")
    check_port(options.port)
    if (folder / DEMO_MARK).exists():
        raise CannotStartError(
            f"{folder} holds demo data with known passwords. Name another folder with VAR_DIR=… for a real account."
        )
    identity, regions = find_aws(options.regions)
    lock = open_data_folder(folder)
    stack = Stack(folder, options.port)
    stack.catch_signals()
    try:
        say(f"Using AWS account {identity.account_id} as {identity.arn}, regions {', '.join(regions)}.")
        stack.start_broker()
        account = ["--account-id", identity.account_id, "--environment", options.environment]
        stack.manage("add_account", *account, "--regions", ",".join(regions))
        stack.start_console()
        stack.wait_until_ready(READY_SECONDS * 5)
        if not stack.stopping.is_set():
            say(f"\n  ecsconsole is ready:  {stack.url}\n  Data and logs: {folder}\n  Stop with Ctrl-C.\n")
            say(first_sign_in(stack))
        stack.run()
    finally:
        stack.stop()
        lock.close()
    return 0


def find_aws(asked: str | None) -> tuple[Identity, list[str]]:
    """Return who the credentials belong to and which regions to watch, or say exactly what to set."""
    from aws import sts
    from aws.errors import AwsError

    regions = asked or os.environ.get("ECSCONSOLE_REGIONS") or sts.configured_region()
    if not regions:
        raise CannotStartError(
            "No AWS region is set. Set AWS_REGION=us-east-1, or REGIONS=us-east-1,eu-west-1."
        )
    names = [region.strip() for region in regions.split(",") if region.strip()]
    # STS itself is asked in some region; the first that is watched will do.
    os.environ.setdefault("AWS_DEFAULT_REGION", names[0])
    try:
        return sts.who_am_i(None), names
    except AwsError as error:
        raise CannotStartError(
            f"No usable AWS credentials: {error} Set AWS_PROFILE=…, or AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY "
            "(and AWS_SESSION_TOKEN for temporary ones), or run where a role is attached."
        ) from error


def first_sign_in(stack: Stack) -> str:
    """Return the one-time link while there is no user, else nothing new."""
    import subprocess

    answer = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-m", "ecsconsole.cli", "first_sign_in_link", "--base-url", stack.url],
        env={**os.environ, **stack.environment},
        capture_output=True,
        text=True,
        check=False,
    )
    return answer.stdout.strip() or answer.stderr.strip()


COMMANDS = {"demo": demo, "up": up}


def main(name: str, arguments: Sequence[str]) -> int:
    """Run one of the commands; what keeps it from starting is one sentence."""
    try:
        return COMMANDS[name](arguments)
    except CannotStartError as error:
        sys.stderr.write(f"{error}\n")
        return 1
