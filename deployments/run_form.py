"""The fields of the page that runs a task: how many, and what one container does otherwise than in the service."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from typing import Any

from clusters.diff import containers_of
from clusters.models import Service
from deployments.definitions import masked_definition
from deployments.sealing import seal


class RunForm:
    """What was typed, what it asks for, and what is wrong with it."""

    def __init__(self, fields: Mapping[str, str], service: Service) -> None:
        self.containers = list(containers_of(masked_definition(service, service.task_definition_arn)))
        self.count = fields.get("count", "").strip() or "1"
        self.container = fields.get("container", "") or next(iter(self.containers), "")
        self.command = fields.get("command", "").strip()
        self.environment = fields.get("environment", "")
        self.cpu, self.memory = fields.get("cpu", "").strip(), fields.get("memory", "").strip()
        self.errors: dict[str, str] = {}
        self.words = self.read_command()
        self.variables = self.read_environment()

    def read_command(self) -> list[str]:
        try:
            return shlex.split(self.command)
        except ValueError as error:
            self.errors["command"] = f"This is no command line: {str(error).lower()}."
            return []

    def read_environment(self) -> dict[str, Any]:
        """Seal the values at once: nothing behind this holds them in plain."""
        variables = {}
        for line in self.environment.splitlines():
            if not line.strip():
                continue
            name, sign, value = line.partition("=")
            if not sign or not name.strip():
                self.errors["environment"] = "One variable a line, as NAME=value."
                continue
            variables[name.strip()] = seal(value.strip())
        return variables

    @property
    def spec(self) -> dict[str, Any] | None:
        """Return what is asked for, None while it cannot be meant."""
        if self.errors:
            return None
        override = {
            "command": self.words,
            "environment": self.variables,
            "cpu": self.cpu,
            "memory": self.memory,
        }
        asked = {name: value for name, value in override.items() if value}
        return {"count": self.count} | ({"containers": {self.container: asked}} if asked else {})
