"""The lines that containers write to CloudWatch Logs."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from sandbox.images import Behaviour, tag_of
from sandbox.placement import definition_of
from sandbox.state import Container, Document, Task

if TYPE_CHECKING:
    from sandbox.world import World

PATHS = (
    "/",
    "/api/orders",
    "/api/items/42",
    "/healthz",
    "/api/session",
    "/static/app.js",
    "/api/search?q=tea",
)
WARNINGS = (
    "WARN  pool: connection to db-primary took 1240 ms",
    "WARN  http: upstream answered 502, retrying (1/3)",
    "WARN  cache: eviction rate above 10/s",
)
FATAL = (
    "Traceback (most recent call last):",
    '  File "/app/main.py", line 41, in <module>',
    "    settings = Settings.from_environment()",
    '  File "/app/settings.py", line 17, in from_environment',
    "    return cls(database_url=os.environ['DATABASE_URL'])",
    "KeyError: 'DATABASE_URL'",
    "FATAL start failed, exiting with code 1",
)
HEAP_STEPS = 6


@dataclass(frozen=True, slots=True)
class LogTarget:
    """Where a container's awslogs driver writes."""

    group: str
    stream: str
    create: bool


def log_target(task: Task, definition: Document) -> LogTarget | None:
    """Return the CloudWatch Logs stream of a container, None when it logs elsewhere."""
    configuration = definition.get("logConfiguration") or {}
    options = configuration.get("options") or {}
    if configuration.get("logDriver") != "awslogs" or not options.get("awslogs-group"):
        return None
    prefix = options.get("awslogs-stream-prefix", "ecs")
    create = str(options.get("awslogs-create-group", "false")).lower() == "true"
    return LogTarget(options["awslogs-group"], f"{prefix}/{definition['name']}/{task.id}", create)


def _write(world: World, task: Task, container: Container, lines: Iterable[str]) -> None:
    """Write lines a millisecond apart: CloudWatch Logs sorts by time, and their order must survive that."""
    target = log_target(task, definition_of(task, container))
    if target is None:
        return
    stamped: list[tuple[datetime, str]] = [
        (world.now + timedelta(milliseconds=index), line) for index, line in enumerate(lines)
    ]
    caller = task.cluster.region.caller
    world.surroundings.write_log(caller, target.group, target.stream, stamped, create_group=target.create)


def write_start(world: World, task: Task) -> None:
    """Write each container's start-up banner and begin its request lines."""
    for container in task.containers:
        version = tag_of(container.image)
        lines = (
            f"INFO  {container.name} {version} starting (task {task.id})",
            "INFO  configuration loaded, 4 workers",
            f"INFO  {container.name} {version} ready, listening on 0.0.0.0:{port_of(task, container)}",
        )
        _write(world, task, container, lines)
    follow(world, task)


def port_of(task: Task, container: Container) -> int:
    mappings = definition_of(task, container).get("portMappings") or []
    return int(mappings[0]["containerPort"]) if mappings else 8080


def follow(world: World, task: Task) -> None:
    """Set the next batch of request lines, when the world writes them at all and the task logs somewhere."""
    if world.log_interval is None or not task.wanted:
        return
    if not any(log_target(task, definition) for definition in task.definition.containers):
        return
    life = task.life

    def run() -> None:
        if task.life == life:
            _write_requests(world, task)
            follow(world, task)

    world.clock.after(world.log_interval * world.rng.uniform(0.7, 1.3), run)


def _write_requests(world: World, task: Task) -> None:
    rng = world.rng
    for container in task.containers:
        if container.last_status != "RUNNING":
            continue
        path, took = rng.choice(PATHS), rng.randrange(2, 180)
        lines = [
            f'INFO  10.0.{rng.randrange(256)}.{rng.randrange(4, 250)} "GET {path} HTTP/1.1" 200 {took}ms'
        ]
        if rng.random() < 0.04:
            lines.append(rng.choice(WARNINGS))
        _write(world, task, container, lines)


def write_growth(world: World, task: Task, container: Container, behaviour: Behaviour, delay: float) -> None:
    """Let the heap of a container that will run out of memory grow visibly until then."""
    if not behaviour.grows:
        return
    task.growth = (world.now, world.now + world.clock.span(delay))
    life, limit = task.life, int(definition_of(task, container).get("memory") or 512)
    for step in range(1, HEAP_STEPS + 1):
        used = limit * (40 + 10 * step - 1) // 100

        def run(used: int = used) -> None:
            if task.life == life:
                level = "WARN " if used * 10 > limit * 8 else "INFO "
                _write(
                    world,
                    task,
                    container,
                    [f"{level} gc: heap {used} MiB of {limit} MiB after full collection"],
                )

        world.clock.after(delay * step / (HEAP_STEPS + 1), run)


def write_fatal(world: World, task: Task, container: Container, behaviour: Behaviour) -> None:
    """Write the last lines of a container that ends by itself."""
    if behaviour.grows:
        _write(world, task, container, ["ERROR gc: allocation of 16 MiB failed, heap is full"])
    elif behaviour.exit_code:
        _write(world, task, container, FATAL)


def write_shutdown(world: World, task: Task, container: Container) -> None:
    """Write the last line of a container that was asked to stop."""
    _write(world, task, container, [f"INFO  {container.name} received SIGTERM, shutting down"])
