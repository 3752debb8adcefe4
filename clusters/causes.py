"""Names the cause that failed tasks have in common, in a few words. Pure; says nothing where nothing is certain."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass

# AWS writes curly apostrophes in some texts and straight ones in others.
APOSTROPHES = str.maketrans({"’": "'", "‘": "'"})
NOT_FOUND_REF = re.compile(r"failed to resolve ref (?P<image>\S+?):? .*not found", re.IGNORECASE)
REPOSITORY_HOST = re.compile(r"^[^/]+\.[^/]+/")


@dataclass(frozen=True, slots=True)
class FailedTask:
    """What is known about a task that stopped against the will of its service."""

    stop_code: str = ""
    stopped_reason: str = ""
    container: str = ""
    container_reason: str = ""
    exit_code: int | None = None

    @property
    def text(self) -> str:
        """Return both reasons: the container's own often says more."""
        return f"{self.stopped_reason} {self.container_reason}".translate(APOSTROPHES)


def image_missing(task: FailedTask) -> str:
    match = NOT_FOUND_REF.search(task.text)
    if match:
        image = REPOSITORY_HOST.sub("", match["image"].rstrip(":"))
        return f"Image {image} is not in the registry"
    return "The image is not in the registry"


def exited(task: FailedTask) -> str:
    name = task.container or "The essential container"
    ended = " with nothing left to do" if task.exit_code == 0 else ""
    return f"{name} exits with code {task.exit_code}{ended}"


def said(sentence: str) -> Callable[[FailedTask], str]:
    return lambda task: sentence


def has(*phrases: str) -> Callable[[FailedTask], bool]:
    """Return a test that any phrase is in what was said, in whatever case."""
    lowered = [phrase.lower() for phrase in phrases]
    return lambda task: any(phrase in task.text.lower() for phrase in lowered)


def is_pull(task: FailedTask) -> bool:
    return has("CannotPull", "can't pull", "cannot pull")(task)


# First match wins; texts that say more come before those that say less.
CAUSES: tuple[tuple[Callable[[FailedTask], bool], Callable[[FailedTask], str]], ...] = (
    (
        lambda task: is_pull(task) and has("not found", "manifest unknown", "does not exist")(task),
        image_missing,
    ),
    (
        has("exec format error", "matching platform"),
        said("The image was built for another processor architecture"),
    ),
    (
        lambda task: is_pull(task) and has("403", "denied", "permission", "no basic auth")(task),
        said("The image cannot be pulled: access is denied"),
    ),
    (
        has("toomanyrequests", "pull rate limit"),
        said("The image cannot be pulled: the registry limits requests"),
    ),
    (is_pull, said("The image cannot be pulled")),
    (
        has("unable to retrieve secret", "unable to pull secrets"),
        said("A secret cannot be read at task start"),
    ),
    (has("log group", "logger args"), said("The log group of the task definition is not there")),
    (has("ResourceInitializationError"), said("Tasks cannot start: a resource cannot be set up")),
    (
        has("OutOfMemory"),
        lambda task: (
            f"{task.container or 'Tasks'} {'is' if task.container else 'are'} killed at the memory limit"
            + (f" (exit code {task.exit_code})" if task.exit_code is not None else "")
        ),
    ),
    (has("failed ELB health checks"), said("Tasks fail the load balancer's health checks")),
    (has("failed container health checks"), said("Tasks fail their container health checks")),
    (
        has("Spot Task was interrupted"),
        said("Tasks on Spot were taken back by AWS"),
    ),
    (has("Capacity is unavailable"), said("Fargate has no capacity for more tasks")),
    (
        # Without AWS's text, 137 is a kill and nothing says that memory was the reason.
        lambda task: task.exit_code == 137,
        lambda task: f"{task.container or 'The essential container'} is killed (exit code 137)",
    ),
    (lambda task: task.exit_code is not None, exited),
    (has("CannotStartContainer"), said("A container cannot be started")),
    (has("InternalError", "ContainerRuntime"), said("The container runtime fails")),
)


def cause_of(task: FailedTask) -> str:
    """Return why one task failed, nothing where its texts do not tell."""
    return next((words(task) for matches, words in CAUSES if matches(task)), "")


def common_cause(tasks: Iterable[FailedTask]) -> str:
    """Return the cause that most of the failed tasks share, the newest first among equals."""
    counts = Counter(cause for task in tasks if (cause := cause_of(task)))
    return counts.most_common(1)[0][0] if counts else ""
