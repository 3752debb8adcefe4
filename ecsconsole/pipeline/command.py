"""`ecsconsole deploy | restart | scale | rollback | follow`: ask for a change and stay until ECS says how it ended.

Exit codes: 0 ECS says that it succeeded; 1 rolled back or failed; 2 refused, nothing was done; 3 not known.
"""

from __future__ import annotations

import argparse
import math
import uuid
from collections.abc import Callable, Mapping, Sequence
from time import monotonic, sleep
from typing import Any
from urllib.parse import quote

from ecsconsole.numbers import is_number
from ecsconsole.pipeline.connection import Connection, Lost, Refused
from ecsconsole.pipeline.report import Report

SUCCEEDED, FAILED, REFUSED, UNKNOWN = 0, 1, 2, 3
CODES = {
    "succeeded": SUCCEEDED,
    "failed": FAILED,
    "rolled_back": FAILED,
    "rejected": REFUSED,
    "cancelled": REFUSED,
    "expired": REFUSED,
    "stale": REFUSED,
    "needs_attention": UNKNOWN,
}
# The server holds each question this long; progress in between is told this often.
LOOK_SECONDS = 10
# A console that cannot hold a question (no ASGI, too many who wait) answers at once and is asked again after this.
PAUSE_SECONDS = 2.0
DEFAULT_TIMEOUT = 3600
LONGEST_KEY = 128
# Without these an answer is none about a change.
NEEDED = frozenset({"id", "number", "title", "url", "state", "is_final", "version"})
Document = dict[str, Any]


def make_parser(environment: Mapping[str, str]) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ecsconsole", description="Ask a console for a change and wait for its end."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    common = argparse.ArgumentParser(add_help=False)
    add_common(common, environment)
    asking = argparse.ArgumentParser(add_help=False, parents=[common])
    add_asking(asking)
    deploy = commands.add_parser("deploy", parents=[asking], help="deploy images")
    deploy.add_argument(
        "--image",
        action="append",
        required=True,
        help="[CONTAINER=]IMAGE, a tag or a digest; may be repeated",
    )
    commands.add_parser("restart", parents=[asking], help="replace every task")
    scale = commands.add_parser("scale", parents=[asking], help="set the number of tasks")
    scale.add_argument("--count", type=int, required=True, help="how many tasks")
    rollback = commands.add_parser("rollback", parents=[asking], help="go back to what worked")
    rollback.add_argument(
        "--to", default="", help="ARN of a service deployment (else what rolls out, else the last success)"
    )
    follow = commands.add_parser("follow", parents=[common], help="wait for the end of a change")
    follow.add_argument("change", type=number_of, help="its number, CR-12")
    return parser


def number_of(text: str) -> int:
    """Return the number of a change, written CR-12 or 12."""
    digits = text.upper().removeprefix("CR-")
    if not is_number(digits):
        raise argparse.ArgumentTypeError(f"{text} is no number of a change, such as CR-12")
    return int(digits)


def add_common(parser: argparse.ArgumentParser, environment: Mapping[str, str]) -> None:
    url, token = environment.get("ECSCONSOLE_URL", ""), environment.get("ECSCONSOLE_TOKEN", "")
    parser.add_argument("--url", default=url, help="address of the console (ECSCONSOLE_URL)")
    parser.add_argument(
        "--token", default=token, help="API token (ECSCONSOLE_TOKEN, which no process list shows)"
    )
    parser.add_argument(
        "--timeout", type=float, default=DEFAULT_TIMEOUT, help=f"seconds to wait ({DEFAULT_TIMEOUT})"
    )
    parser.add_argument("--json", action="store_true", help="one JSON object a line on standard output")


def add_asking(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("service", help="name or ARN")
    parser.add_argument("--cluster", default="", help="where a name is not unique")
    parser.add_argument("--environment", default="", help="where a name is not unique")
    parser.add_argument("--reason", default="")
    parser.add_argument("--ticket", default="")
    parser.add_argument("--confirm", default="", help="the name of the service again; production asks for it")
    parser.add_argument("--if-busy", choices=["refuse", "queue", "supersede"], default="refuse")
    parser.add_argument("--key", default="", help="idempotency key (a new one for each run)")
    parser.add_argument(
        "--wait",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="stay until the end; without it the code is 3, because the end is not known",
    )


def main(arguments: Sequence[str], environment: Mapping[str, str], report: Report | None = None) -> int:
    """Run one command and return its exit code."""
    options = make_parser(environment).parse_args(arguments)
    report = report or Report(as_json=options.json)
    run = Run(options, report)
    try:
        return run.to_its_end()
    except Refused as refused:
        if run.change is None:
            return report.refused(REFUSED, refused.error)
        # The token came to its end, or its rights did; the change did not.
        return report.ended(UNKNOWN, run.change, f"{refused} {run.where_to_look()}")
    except Lost as lost:
        return report.ended(UNKNOWN, run.change, f"{lost} {run.where_to_look()}")
    except KeyboardInterrupt:
        return report.ended(UNKNOWN, run.change, f"Stopped waiting. {run.where_to_look()}")
    except Exception as error:
        # Python's own code for it is 1, and that says that the change failed.
        text = f"Stopped by an error of its own, {type(error).__name__}: {error}."
        return report.ended(UNKNOWN, run.change, f"{text} {run.where_to_look()}")


class Run:
    """One command on its way: what was asked for, and what is known of it."""

    def __init__(self, options: argparse.Namespace, report: Report) -> None:
        self.options, self.report = options, report
        self.key = getattr(options, "key", "") or str(uuid.uuid4())
        self.was_sent = False
        self.change: Document | None = None

    def to_its_end(self) -> int:
        """Ask, and stay until the end if that is wanted."""
        options = self.options
        token = options.token.strip()
        if not token:
            raise Refused({"code": "no_token", "message": "Set ECSCONSOLE_TOKEN, or give --token."})
        check_key(self.key)
        connection = Connection(options.url.strip(), token, self.report.say)
        if options.command == "follow":
            change = known(connection.get(f"/changes/{options.change}"))
        else:
            body = body_of(options, find_service(connection, options))
            self.was_sent = True
            change = known(connection.post("/changes", body, self.key))
        self.change = change
        self.report.requested(change)
        if options.command != "follow" and not options.wait:
            return self.report.ended(UNKNOWN, change, "Not waiting for its end.")
        return self.stay(connection, change)

    def stay(self, connection: Connection, change: Document) -> int:
        """Follow a change to its end, or until the time is over."""
        until = monotonic() + self.options.timeout
        while not change["is_final"] and change["state"] != "needs_attention":
            asked_at = monotonic()
            left = until - asked_at
            if left <= 0:
                text = f"Not over after {self.options.timeout:.0f} s. {self.where_to_look()}"
                return self.report.ended(UNKNOWN, change, text)
            wait = math.ceil(min(LOOK_SECONDS, left))
            known_version = change["version"]
            change = known(connection.get(f"/changes/{change['id']}", wait=wait, after=known_version))
            self.change = change
            self.report.progress(change)
            if change["version"] == known_version and monotonic() - asked_at < PAUSE_SECONDS:
                sleep(min(PAUSE_SECONDS, left))
        code = code_of(change)
        message = "" if code != UNKNOWN else f"{why_unknown(change)} {change['url']}"
        return self.report.ended(code, change, message)

    def where_to_look(self) -> str:
        """Say what is known of the change, and how to learn more."""
        if self.change is not None:
            number = self.change["number"]
            return f"The change goes on: {self.change['url']}, or ecsconsole follow {number}."
        if self.was_sent:
            return f"Whether it was asked for is not known; the same command with --key {self.key} never asks twice."
        return "Nothing was asked for."


def code_of(change: Document) -> int:
    """Return the exit code of how a change stands; a state that this client does not know is no success."""
    code = CODES.get(change["state"], UNKNOWN)
    # Set aside after it had begun: nothing was refused, and nobody says what ECS made of it.
    return UNKNOWN if code == REFUSED and change.get("dispatched_at") else code


def why_unknown(change: Document) -> str:
    if change["state"] in CODES and change["is_final"]:
        return "It had begun when it was set aside, and what ECS made of it is not known:"
    return "A person has to look at it:"


def known(change: Document) -> Document:
    """Return an answer that is about a change; raises `Lost` for one of something else, such as a proxy."""
    if not change.keys() >= NEEDED:
        raise Lost("What answered is no console, or one of another version.")
    return change


def check_key(key: str) -> None:
    """Raise `Refused` for a key that would not come through a header as it is."""
    if len(key) > LONGEST_KEY or not key.isprintable() or not all(ord(letter) < 256 for letter in key):
        text = f"A key has at most {LONGEST_KEY} printable characters of Latin-1."
        raise Refused({"code": "bad_key", "message": f"{text} Nothing was sent."})


def find_service(connection: Connection, options: argparse.Namespace) -> Document:
    """Return the one service of this name or ARN; raises `Refused` for none and for several."""
    if options.service.startswith("arn:"):
        return connection.get(f"/services/{quote(options.service, safe=':/')}")
    given = {"cluster": options.cluster, "environment": options.environment}
    query = {name: text for name, text in given.items() if text}
    found = connection.get("/services", name=options.service, **query)["items"]
    if len(found) == 1:
        service: Document = found[0]
        return service
    if not found:
        text = f"No service that this token may see is called {options.service}."
        raise Refused(
            {"code": "not_here", "message": text, "advice": "Check the name, the place and the token."}
        )
    where = ", ".join(f"{item['environment']}/{item['cluster']}" for item in found)
    text = f"{len(found)} services are called {options.service}: {where}."
    raise Refused(
        {
            "code": "service_not_unique",
            "message": text,
            "advice": "Name it by --cluster, --environment or its ARN.",
        }
    )


def body_of(options: argparse.Namespace, service: Document) -> Document:
    """Return the request for a change."""
    names = ("reason", "ticket", "confirm")
    body: Document = {
        "service": service["arn"],
        "kind": options.command,
        "if_busy": options.if_busy,
        **{name: getattr(options, name) for name in names if getattr(options, name)},
    }
    return {**body, **MORE[options.command](options, service)}


def images_of(options: argparse.Namespace, service: Document) -> Document:
    """Return the images by container; a service of one container need not have it named."""
    names = [item["name"] for item in service["containers"]]
    images: Document = {}
    for text in options.image:
        container, sign, image = text.partition("=")
        if not sign:
            if len(names) != 1:
                raise Refused(
                    {
                        "code": "no_container",
                        "message": f"Name the container of {text}: {' or '.join(names)}.",
                    }
                )
            container, image = names[0], text
        if container in images:
            text = f"The container {container} has two images: {images[container]} and {image}."
            raise Refused({"code": "container_twice", "message": text})
        images[container] = image
    return {"images": images}


MORE: dict[str, Callable[[argparse.Namespace, Document], Document]] = {
    "deploy": images_of,
    "restart": lambda options, service: {},
    "scale": lambda options, service: {"desired_count": options.count},
    "rollback": lambda options, service: {"service_deployment": options.to} if options.to else {},
}
