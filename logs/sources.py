"""Where containers write their logs, read from their task definitions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from clusters.models import Account, Service, Task, TaskDefinition
from logs.models import tail_key

AWSLOGS = "awslogs"


@dataclass(frozen=True, slots=True)
class ContainerLog:
    """The log configuration of one container; `group` is empty where CloudWatch Logs gets nothing."""

    container: str
    driver: str
    group: str = ""
    region: str = ""
    stream_prefix: str = ""


@dataclass(frozen=True, slots=True)
class Source:
    """A log group in one account and region, narrowed to a stream prefix where there is one."""

    account: Account
    region: str
    group: str
    stream_prefix: str

    @property
    def key(self) -> str:
        """Return the key of the tail that follows it."""
        return tail_key(self.account.account_id, self.region, self.group, self.stream_prefix)


@dataclass(frozen=True, slots=True)
class Stream:
    """The log stream of one container of one task."""

    source: Source
    name: str
    container: str
    task_id: str


def container_logs(facts: Mapping[str, Any], region: str) -> list[ContainerLog]:
    """Read the log configurations of a task definition; `region` is where its tasks run."""
    found = []
    for container in facts.get("containerDefinitions") or []:
        configuration = container.get("logConfiguration") or {}
        options = configuration.get("options") or {}
        driver, name = str(configuration.get("logDriver") or ""), str(container.get("name") or "")
        group = str(options.get("awslogs-group") or "")
        if driver != AWSLOGS or not group:
            found.append(ContainerLog(name, driver))
            continue
        place = str(options.get("awslogs-region") or region)
        found.append(
            ContainerLog(name, driver, group, place, str(options.get("awslogs-stream-prefix") or ""))
        )
    return found


def definitions_in_use(service: Service, tasks: Iterable[Task]) -> list[TaskDefinition]:
    """Return the known task definitions of a service's deployments and tasks."""
    arns = {service.task_definition_arn, *(task.task_definition_arn for task in tasks)}
    arns |= {str(item.get("taskDefinition") or "") for item in service.facts.get("deployments") or []}
    return list(TaskDefinition.objects.filter(arn__in=arns - {""}).order_by("-revision"))


def source_of(log: ContainerLog, account: Account) -> Source:
    # The slash keeps the prefix `web` away from the streams of `web-admin`.
    prefix = f"{log.stream_prefix}/" if log.stream_prefix else ""
    return Source(account, log.region, log.group, prefix)


def streams_of(task: Task, logs: Sequence[ContainerLog], account: Account) -> list[Stream]:
    """Return the streams that a task writes: prefix/container/task id, or Docker's id where no prefix is set."""
    runtime_ids = {
        str(item.get("name")): str(item.get("runtimeId") or "") for item in task.facts.get("containers") or []
    }
    streams = []
    for log in logs:
        if not log.group:
            continue
        source = source_of(log, account)
        name = f"{source.stream_prefix}{log.container}/{task.task_id}"
        if not log.stream_prefix:
            name = runtime_ids.get(log.container, "")
        if name:
            streams.append(Stream(source, name, log.container, task.task_id))
    return streams
