"""What a pipeline sees: lines for people on standard error, one JSON object a line for machines on standard output."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, TextIO

Document = Mapping[str, Any]


@dataclass
class Report:
    """Where the two kinds of lines go; the second only where it was asked for."""

    as_json: bool = False
    # None where the pipeline closed it.
    people: TextIO | None = sys.stderr
    machines: TextIO | None = sys.stdout
    last: str = ""

    def say(self, text: str) -> None:
        write(self.people, one_line(text))

    def emit(self, event: str, **content: Any) -> None:
        if self.as_json:
            line = {"event": event, "at": datetime.now(UTC).isoformat(timespec="milliseconds"), **content}
            write(self.machines, json.dumps(line))

    def requested(self, change: Document) -> None:
        self.say(f"{change['number']} {change['title']}")
        self.say(change["url"])
        self.emit("requested", change=change)
        self.progress(change)

    def progress(self, change: Document) -> None:
        """Tell where a change stands, if that is news."""
        line = words_of(change)
        if line == self.last:
            return
        self.last = line
        self.say(f"{datetime.now(UTC):%H:%M:%S} {line}")
        self.emit("progress", change=change)

    def ended(self, code: int, change: Document | None, message: str) -> int:
        """Tell the end and return its exit code."""
        if message:
            self.say(message)
        self.emit("ended", exit_code=code, message=message, change=change)
        return code

    def refused(self, code: int, error: Document) -> int:
        """Tell that the console said no, and what to do."""
        self.say(f"Refused: {error.get('message', '')}")
        for field, text in (error.get("fields") or {}).items():
            self.say(f"  {field}: {text}")
        if error.get("permission"):
            self.say(f"  Missing permission: {error['permission']}")
        if error.get("advice"):
            self.say(str(error["advice"]))
        self.emit("refused", exit_code=code, error=dict(error))
        return code


def one_line(text: str) -> str:
    """Return foreign words as one line: a line of their own could be a command to a pipeline's runner, or to a terminal."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


def write(stream: TextIO | None, line: str) -> None:
    """Write one line; who reads it may have gone, and the exit code is told all the same."""
    if stream is None:
        return
    try:
        stream.write(f"{line}\n")
        stream.flush()
    except OSError:
        # What is still in the buffer would fail once more at the end, with an exit code of Python's own.
        os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def words_of(change: Document) -> str:
    """Return where a change stands in one line."""
    parts = [str(change["state"]).replace("_", " ")]
    rollout = change.get("rollout")
    if rollout and not change["is_final"] and rollout["desired"]:
        failed = f", {rollout['failed_tasks']} failed" if rollout["failed_tasks"] else ""
        parts.append(f"{rollout['running']} of {rollout['desired']} new tasks run{failed}")
    diagnosis = change.get("diagnosis")
    for text in (change.get("outcome"), diagnosis["text"] if diagnosis else ""):
        if text and text not in parts:
            parts.append(text)
    return (
        ": ".join([parts[0], " ".join(f"{part.rstrip('.')}." for part in parts[1:])])
        if parts[1:]
        else parts[0]
    )
