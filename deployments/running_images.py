"""Requested against running: whether the tasks of PRIMARY run the image digests that were asked for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from aws.errors import AwsAccessDenied
from deployments.running import Run

OK, DIFFERS, UNKNOWN = "ok", "differs", "unknown"
Item = Mapping[str, Any]
# Enough of a digest to tell it from another, as registries show it.
SHOWN = 12
# More names than this make a sentence that nobody reads; the page has the rest.
NAMED = 3


@dataclass(frozen=True, slots=True)
class Difference:
    """One container of one task that runs another digest than was asked for."""

    task_id: str
    container: str
    runs: str
    asked: str

    @property
    def words(self) -> str:
        return (
            f"{self.container} of task {self.task_id[:8]} runs {short(self.runs)} and not {short(self.asked)}"
        )


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of it, in a sentence: ok, differs, or why it cannot be known."""

    state: str
    sentence: str
    differences: list[Difference] = field(default_factory=list)
    digests: dict[str, str] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return {
            "state": self.state,
            "sentence": self.sentence,
            "digests": self.digests,
            "differences": [
                {"task": item.task_id, "container": item.container, "runs": item.runs, "asked": item.asked}
                for item in self.differences
            ],
        }


def compare_digests(run: Run) -> Comparison:
    """Compare what RUNNING tasks of our deployment run with what was asked for; two to four reads, no writes.

    Needs ecs:ListTasks, ecs:DescribeTasks, ecs:DescribeServiceDeployments and ecs:DescribeServiceRevisions; a missing
    one makes the answer unknown and names it. Other errors are raised, so that the next step looks again.
    """
    try:
        asked = asked_digests(run)
        tasks = run.gateway.tasks_of(run.progress["deployment_id"])
    except AwsAccessDenied as error:
        return Comparison(UNKNOWN, f"Which images run could not be read: {error} {error.hint}")
    return compare(asked, tasks)


def asked_digests(run: Run) -> dict[str, str]:
    """Return the digest of each container as it was asked for, empty where ECS pinned none.

    A digest in the task definition counts; else what ECS resolved the tag to when the deployment began.
    """
    definition = run.gateway.task_definition(run.progress["task_definition_arn"])
    pinned = {
        str(item["name"]): str(item.get("image", "")).partition("@")[2]
        for item in definition.get("containerDefinitions", [])
    }
    resolved = {
        str(item.get("containerName", "")): str(item.get("imageDigest") or "")
        for item in revision_of(run).get("containerImages") or []
    }
    return {name: digest or resolved.get(name, "") for name, digest in pinned.items()}


def revision_of(run: Run) -> Item:
    """Return the service revision that our deployment rolled out, empty where ECS keeps none."""
    arn = run.progress.get("service_deployment_arn")
    entry = run.gateway.service_deployment(arn) if arn else {}
    target = (entry.get("targetServiceRevision") or {}).get("arn")
    return run.gateway.service_revision(target) if target else {}


def compare(asked: Mapping[str, str], tasks: Iterable[Item]) -> Comparison:
    """Compare digests by container; what ECS adds by itself, like a proxy, was not asked for and is left out."""
    running = [task for task in tasks if task.get("lastStatus") == "RUNNING"]
    if not running:
        return Comparison(UNKNOWN, "No task of it runs, so there is no image to compare.")
    unpinned = [name for name, digest in asked.items() if not digest]
    differences, unread = look_at(asked, running)
    pinned = {name: digest for name, digest in asked.items() if digest}
    if differences:
        return Comparison(DIFFERS, differ_words(differences, running), differences, pinned)
    if unpinned:
        names = ", ".join(unpinned)
        return Comparison(
            UNKNOWN, f"ECS pinned no digest of {names}, so what runs cannot be compared.", [], pinned
        )
    if unread:
        names = ", ".join(dict.fromkeys(unread))
        return Comparison(UNKNOWN, f"ECS tells no digest of the running {names}.", [], pinned)
    return Comparison(OK, agree_words(pinned, len(running)), [], pinned)


def look_at(asked: Mapping[str, str], running: Sequence[Item]) -> tuple[list[Difference], list[str]]:
    """Return what differs, and the containers whose running digest ECS does not tell."""
    differences: list[Difference] = []
    unread: list[str] = []
    for task in running:
        runs = {
            str(item.get("name")): str(item.get("imageDigest") or "") for item in task.get("containers") or []
        }
        task_id = str(task.get("taskArn", "")).rsplit("/", 1)[-1]
        for name, digest in asked.items():
            # A container that has ended, as one that only prepares may, still tells what it ran.
            if not digest:
                continue
            if not runs.get(name):
                unread.append(name)
            elif runs[name] != digest:
                differences.append(Difference(task_id, name, runs[name], digest))
    return differences, unread


def agree_words(digests: Mapping[str, str], count: int) -> str:
    """Say which digests all tasks run."""
    tasks = f"All {count} tasks run" if count > 1 else "The task runs"
    if len(set(digests.values())) == 1:
        return f"{tasks} {short(next(iter(digests.values())))}."
    return f"{tasks} {', '.join(f'{name} {short(digest)}' for name, digest in digests.items())}."


def differ_words(differences: Sequence[Difference], running: Sequence[Item]) -> str:
    """Name the tasks and containers that run something else."""
    count = len({item.task_id for item in differences})
    named = "; ".join(item.words for item in differences[:NAMED])
    more = len(differences) - NAMED
    rest = f"; and {more} more" if more > 0 else ""
    verb = "runs" if count == 1 else "run"
    return f"{count} of {len(running)} tasks {verb} another image than was asked for: {named}{rest}."


def short(digest: str) -> str:
    kind, _, value = digest.partition(":")
    return f"{kind}:{value[:SHOWN]}" if value else digest[:SHOWN]
