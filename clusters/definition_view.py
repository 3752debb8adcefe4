"""A task definition in the shape in which people read it. Pure: the facts come masked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from clusters.masking import SECRET_NAME

SHOWN_IN_VIEW = frozenset(
    {
        "name",
        "image",
        "essential",
        "cpu",
        "memory",
        "memoryReservation",
        "portMappings",
        "environment",
        "environmentFiles",
        "secrets",
        "healthCheck",
        "logConfiguration",
        "mountPoints",
        "dependsOn",
        "command",
        "entryPoint",
        "user",
        "workingDirectory",
        "readonlyRootFilesystem",
        "privileged",
        "startTimeout",
        "stopTimeout",
    }
)


@dataclass(frozen=True, slots=True)
class Masked:
    """An environment variable: its name, and enough of its value to tell whether it changed."""

    name: str
    fingerprint: str
    length: int | None

    @property
    def looks_secret(self) -> bool:
        return SECRET_NAME.search(self.name) is not None


@dataclass(frozen=True, slots=True)
class Image:
    """An image reference, cut where people cut it."""

    reference: str
    repository: str
    tag: str
    digest: str

    @property
    def short_digest(self) -> str:
        return self.digest.removeprefix("sha256:")[:12]

    @property
    def version(self) -> str:
        """Return what people call it: the tag, else the short digest."""
        return self.tag or self.short_digest or "latest"


@dataclass(frozen=True, slots=True)
class LogSetup:
    """Where a container's output goes."""

    driver: str
    options: list[tuple[str, str]]
    secret_options: list[tuple[str, str]]

    @property
    def group(self) -> str:
        return dict(self.options).get("awslogs-group", "")


@dataclass(frozen=True, slots=True)
class ContainerView:
    """One container of a task definition."""

    name: str
    image: Image
    is_essential: bool
    resources: list[tuple[str, str]]
    ports: list[str]
    environment: list[Masked]
    environment_files: list[str]
    secrets: list[tuple[str, str]]
    health_check: list[tuple[str, str]]
    log: LogSetup | None
    mounts: list[str]
    depends_on: list[str]
    runs: list[tuple[str, str]]
    rest: dict[str, Any] = field(default_factory=dict)

    @property
    def anchor(self) -> str:
        return "container-" + re.sub(r"[^A-Za-z0-9_-]", "-", self.name)


@dataclass(frozen=True, slots=True)
class DefinitionView:
    """A task definition revision."""

    facts: list[tuple[str, str]]
    roles: list[tuple[str, str]]
    volumes: list[tuple[str, str]]
    containers: list[ContainerView]
    rest: dict[str, Any]


def split_image(reference: str) -> Image:
    """Cut an image reference into repository, tag and digest; a registry's port is no tag."""
    name, _, digest = reference.partition("@")
    head, slash, last = name.rpartition("/")
    short, _, tag = last.partition(":")
    return Image(reference, f"{head}{slash}{short}", tag, digest)


def view_definition(facts: Mapping[str, Any]) -> DefinitionView:
    """Shape a masked task definition for its page; every field may be missing."""
    platform = facts.get("runtimePlatform") or {}
    storage = facts.get("ephemeralStorage") or {}
    candidates = [
        ("Task CPU", cpu_words(facts.get("cpu"))),
        ("Task memory", mebibytes(facts.get("memory"))),
        ("Network mode", facts.get("networkMode")),
        ("Requires", ", ".join(facts.get("requiresCompatibilities") or [])),
        (
            "Platform",
            " ".join(filter(None, [platform.get("operatingSystemFamily"), platform.get("cpuArchitecture")])),
        ),
        ("Ephemeral storage", f"{storage['sizeInGiB']} GiB" if "sizeInGiB" in storage else ""),
        ("PID mode", facts.get("pidMode")),
        ("IPC mode", facts.get("ipcMode")),
    ]
    shown = {
        "containerDefinitions",
        "volumes",
        "runtimePlatform",
        "ephemeralStorage",
        "cpu",
        "memory",
        "networkMode",
    }
    shown |= {
        "requiresCompatibilities",
        "pidMode",
        "ipcMode",
        "registeredBy",
        "taskRoleArn",
        "executionRoleArn",
    }
    shown |= {"taskDefinitionArn", "family", "revision", "status", "registeredAt", "requiresAttributes"}
    shown |= {"compatibilities", "deregisteredAt"}
    return DefinitionView(
        facts=present(candidates),
        roles=present(
            [("Task role", facts.get("taskRoleArn")), ("Execution role", facts.get("executionRoleArn"))]
        ),
        volumes=[(str(item.get("name", "")), volume_words(item)) for item in facts.get("volumes") or []],
        containers=[view_container(item) for item in facts.get("containerDefinitions") or []],
        rest={
            key: value for key, value in facts.items() if key not in shown and value not in (None, [], {}, "")
        },
    )


def present(pairs: list[tuple[str, Any]]) -> list[tuple[str, str]]:
    """Keep the pairs that say something."""
    return [(name, str(value)) for name, value in pairs if value not in (None, "", [], {})]


def view_container(item: Mapping[str, Any]) -> ContainerView:
    """Shape one container definition."""
    log = item.get("logConfiguration")
    variables = sorted(item.get("environment") or [], key=lambda entry: str(entry.get("name", "")))
    return ContainerView(
        name=str(item.get("name", "")),
        image=split_image(str(item.get("image", ""))),
        is_essential=bool(item.get("essential", True)),
        resources=present(
            [
                ("CPU", cpu_words(item.get("cpu") or None)),
                ("Memory limit", mebibytes(item.get("memory"))),
                ("Memory reservation", mebibytes(item.get("memoryReservation"))),
            ]
        ),
        ports=[port_words(port) for port in item.get("portMappings") or []],
        environment=[
            Masked(str(entry.get("name", "")), str(entry.get("fingerprint", "")), entry.get("length"))
            for entry in variables
        ],
        environment_files=[str(entry.get("value", "")) for entry in item.get("environmentFiles") or []],
        secrets=sorted(
            (str(entry.get("name", "")), str(entry.get("valueFrom", "")))
            for entry in item.get("secrets") or []
        ),
        health_check=health_words(item.get("healthCheck") or {}),
        log=view_log(log) if log else None,
        mounts=[mount_words(mount) for mount in item.get("mountPoints") or []],
        depends_on=[
            f"{entry.get('containerName')} ({entry.get('condition')})"
            for entry in item.get("dependsOn") or []
        ],
        runs=runs_of(item),
        rest={
            key: value
            for key, value in item.items()
            if key not in SHOWN_IN_VIEW and value not in (None, [], {}, "")
        },
    )


def runs_of(item: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return how the container is started and stopped."""
    start, stop = item.get("startTimeout"), item.get("stopTimeout")
    return present(
        [
            ("Entry point", command_words(item.get("entryPoint"))),
            ("Command", command_words(item.get("command"))),
            ("User", item.get("user")),
            ("Working directory", item.get("workingDirectory")),
            ("Root filesystem", "read-only" if item.get("readonlyRootFilesystem") else ""),
            ("Privileged", "yes" if item.get("privileged") else ""),
            ("Start timeout", f"{start} s" if start else ""),
            ("Stop timeout", f"{stop} s" if stop else ""),
        ]
    )


def view_log(log: Mapping[str, Any]) -> LogSetup:
    options = sorted((str(key), str(value)) for key, value in (log.get("options") or {}).items())
    secrets = [
        (str(entry.get("name", "")), str(entry.get("valueFrom", "")))
        for entry in log.get("secretOptions") or []
    ]
    return LogSetup(str(log.get("logDriver", "")), options, secrets)


def health_words(check: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Return a health check's parts with their units; ECS's defaults are not guessed."""
    units = [("Interval", "interval"), ("Timeout", "timeout"), ("Start period", "startPeriod")]
    timings: list[tuple[str, Any]] = [
        (label, f"{check[key]} s" if check.get(key) else "") for label, key in units
    ]
    return present(
        [("Command", command_words(check.get("command"))), *timings, ("Retries", check.get("retries"))]
    )


def command_words(parts: object) -> str:
    return " ".join(str(part) for part in parts) if isinstance(parts, list) else str(parts or "")


def cpu_words(units: object) -> str:
    """Return CPU units with the vCPU that they are: `512 (0.5 vCPU)`."""
    if units is None or not str(units).isdigit():
        return str(units or "")
    return f"{int(str(units)):,} ({int(str(units)) / 1024:g} vCPU)"


def mebibytes(amount: object) -> str:
    return f"{int(str(amount)):,} MiB" if str(amount).isdigit() else str(amount or "")


def port_words(port: Mapping[str, Any]) -> str:
    """Return a port mapping: `8080/tcp, host port 80, named http`."""
    words = (
        f"{port.get('containerPort', port.get('containerPortRange', 'any'))}/{port.get('protocol') or 'tcp'}"
    )
    host = port.get("hostPort")
    if host is not None and host != port.get("containerPort"):
        words += f", host port {host or 'dynamic'}"
    return f"{words}, named {port['name']}" if port.get("name") else words


def mount_words(mount: Mapping[str, Any]) -> str:
    mode = ", read-only" if mount.get("readOnly") else ""
    return f"{mount.get('sourceVolume')} at {mount.get('containerPath')}{mode}"


def volume_words(volume: Mapping[str, Any]) -> str:
    """Say where a volume comes from."""
    efs = volume.get("efsVolumeConfiguration")
    if efs:
        return f"EFS {efs.get('fileSystemId', '')} at {efs.get('rootDirectory') or '/'}"
    host = volume.get("host") or {}
    if host.get("sourcePath"):
        return f"host path {host['sourcePath']}"
    if volume.get("configuredAtLaunch"):
        return "configured at launch"
    kinds = [key for key in volume if key not in {"name", "host"}]
    return ", ".join(kinds) if kinds else "empty, for the life of the task"
