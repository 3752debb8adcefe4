"""What is done to running tasks: scale-in protection and ExecuteCommand."""

from __future__ import annotations

from datetime import timedelta

from sandbox import scheduler
from sandbox.operations.registry import Context, failure, operation
from sandbox.operations.tasks import find_task, missing_task
from sandbox.ports import ApiError
from sandbox.state import Document, Task

PROTECTION_BATCH = 10
DEFAULT_MINUTES = 120
MOST_MINUTES = 2880


def invalid(message: str) -> ApiError:
    return ApiError("InvalidParameterException", message)


def _protection(context: Context, task: Task) -> Document:
    now = context.world.now
    active = task.protected and (task.protected_until is None or task.protected_until > now)
    return {
        "taskArn": task.arn,
        "protectionEnabled": active,
        "expirationDate": task.protected_until if active else None,
    }


@operation("GetTaskProtection")
def get_task_protection(context: Context, params: Document) -> Document:
    """Return the scale-in protection of a cluster's service tasks."""
    cluster = context.cluster(params["cluster"])
    references = params.get("tasks")
    if references is None:
        shown = [task for task in cluster.tasks.values() if task.service and task.wanted]
        return {"protectedTasks": [_protection(context, task) for task in shown], "failures": []}
    found: list[Document] = []
    failures: list[Document] = []
    for reference in references:
        task = find_task(context, cluster, reference)
        if task is None:
            failures.append(missing_task(context, cluster, reference))
        elif task.service is None:
            failures.append(failure(task.arn, "TASK_NOT_VALID"))
        else:
            found.append(_protection(context, task))
    return {"protectedTasks": found, "failures": failures}


@operation("UpdateTaskProtection")
def update_task_protection(context: Context, params: Document) -> Document:
    """Protect up to ten running service tasks from scale-in, for two hours unless told otherwise."""
    cluster = context.cluster(params["cluster"])
    references = params["tasks"]
    if not 1 <= len(references) <= PROTECTION_BATCH:
        raise invalid(f"tasks must have between 1 and {PROTECTION_BATCH} items.")
    minutes = params.get("expiresInMinutes", DEFAULT_MINUTES)
    if not 1 <= minutes <= MOST_MINUTES:
        raise invalid(f"expiresInMinutes must be between 1 and {MOST_MINUTES}.")
    enabled = params["protectionEnabled"]
    found: list[Document] = []
    failures: list[Document] = []
    for reference in references:
        task = find_task(context, cluster, reference)
        if task is None:
            failures.append(missing_task(context, cluster, reference))
        elif task.service is None or not task.wanted:
            failures.append(failure(task.arn, "TASK_NOT_VALID"))
        else:
            _protect(context, task, minutes if enabled else 0)
            found.append(_protection(context, task))
    return {"protectedTasks": found, "failures": failures}


def _protect(context: Context, task: Task, minutes: int) -> None:
    """Protect a task for some minutes, none to end it; the scheduler looks again when protection ends."""
    world, service = context.world, task.service
    task.protected = minutes > 0
    task.protected_until = world.now + timedelta(minutes=minutes) if minutes else None
    if service:
        world.clock.after(minutes * 60, lambda: scheduler.look_soon(world, service))


@operation("ExecuteCommand")
def execute_command(context: Context, params: Document) -> Document:
    """Open a session to a container of a task that was started with execute command enabled."""
    cluster = context.cluster(params.get("cluster"))
    task = find_task(context, cluster, params["task"])
    if task is None:
        raise invalid("The referenced task was not found.")
    if not params["interactive"]:
        raise invalid("Interactive is the only mode supported currently.")
    if not task.config.get("enableExecuteCommand"):
        raise invalid(
            "The execute command failed because execute command was not enabled when the task was run or the execute"
            " command agent isn’t running. Wait and try again or run a new task with execute command enabled and try"
            " again."
        )
    name = params.get("container")
    if name is None and len(task.containers) > 1:
        raise invalid("Container name must be specified for a task with more than one container.")
    container = next((item for item in task.containers if name in (None, item.name)), None)
    if container is None:
        raise invalid(f"The specified container {name} was not found in the task.")
    if container.last_status != "RUNNING" or not task.is_running:
        raise ApiError(
            "TargetNotConnectedException",
            "The execute command failed due to an internal error. Try again later.",
        )
    session = f"ecs-execute-command-{context.world.ids.hex32()[:17]}"
    region = context.region.name
    return {
        "clusterArn": cluster.arn,
        "taskArn": task.arn,
        "containerArn": container.arn,
        "containerName": container.name,
        "interactive": True,
        "session": {
            "sessionId": session,
            "streamUrl": f"wss://ssmmessages.{region}.amazonaws.com/v1/data-channel/{session}?role=publish_subscribe",
            "tokenValue": context.world.ids.hex32() + context.world.ids.hex32(),
        },
    }
