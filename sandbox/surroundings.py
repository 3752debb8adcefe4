"""The services beside ECS, as tasks meet them: moto's ECR, CloudWatch Logs, Secrets Manager and SSM."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from sandbox.log_store import backend_of
from sandbox.ports import Caller, Image
from sandbox.registry import Registry


class MotoSurroundings:
    """`Surroundings` that HTTP clients see too. moto keeps its state per process, by account."""

    def __init__(self, *, strict_registry: bool = False) -> None:
        self.registry = Registry(strict=strict_registry)
        # The world's own clock, once there is a world.
        self.clock: Callable[[], datetime] = lambda: datetime.now(UTC)

    def find_image(self, caller: Caller, reference: str) -> Image | None:
        return self.registry.find(reference, self.clock())

    def write_log(
        self,
        caller: Caller,
        group: str,
        stream: str,
        lines: list[tuple[datetime, str]],
        *,
        create_group: bool,
    ) -> bool:
        return backend_of(caller.account_id, caller.region).write(
            group, stream, lines, create_group=create_group
        )

    def has_log_group(self, caller: Caller, group: str) -> bool:
        return group in backend_of(caller.account_id, caller.region).groups

    def create_log_group(self, account_id: str, region: str, group: str, *, retention_days: int = 30) -> None:
        """Make a log group, if it is not there."""
        backend = backend_of(account_id, region)
        if group not in backend.groups:
            backend.create_log_group(group, {}).retention_in_days = str(retention_days)

    def has_secret(self, caller: Caller, value_from: str) -> bool:
        parts = value_from.split(":")
        if parts[:1] == ["arn"] and len(parts) > 5 and parts[2] == "secretsmanager":
            # `…:json-key:stage:version` may follow the secret's own ARN.
            return ":".join(parts[:7]) in _secrets(parts[4], parts[3])
        if parts[:1] == ["arn"] and len(parts) > 5 and parts[2] == "ssm":
            name = parts[5].removeprefix("parameter")
            parameters = _parameters(parts[4], parts[3])
            return name in parameters or name.removeprefix("/") in parameters
        return value_from in _parameters(caller.account_id, caller.region)

    def create_secret(self, account_id: str, region: str, name: str, value: str) -> str:
        """Make a Secrets Manager secret; return its ARN."""
        from moto.secretsmanager.models import secretsmanager_backends

        backend = secretsmanager_backends[account_id][region]
        backend.create_secret(name, value, None, None, [], None, None, [], False)
        # moto ends the ARN in six random letters of its own, and the same seed shall give the same world.
        secret, suffix = backend.secrets[name], hashlib.sha256(name.encode()).hexdigest()[:6]
        secret.arn = f"arn:aws:secretsmanager:{region}:{account_id}:secret:{name}-{suffix}"
        return str(secret.arn)

    def create_role(self, account_id: str, name: str, trusted: str = "ecs-tasks.amazonaws.com") -> None:
        """Make a role that an AWS service may assume, if it is not there."""
        from moto.iam.models import iam_backends

        backend = iam_backends[account_id]["aws"]
        if any(role.name == name for role in backend.roles.values()):
            return
        statement = {"Effect": "Allow", "Principal": {"Service": trusted}, "Action": "sts:AssumeRole"}
        policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
        backend.create_role(name, policy, "/", None, "", [], None)

    def create_parameter(self, account_id: str, region: str, name: str, value: str) -> str:
        """Make an SSM parameter of type SecureString; return its ARN."""
        from moto.ssm.models import ssm_backends

        ssm_backends[account_id][region].put_parameter(
            name=name,
            description="",
            value=value,
            parameter_type="SecureString",
            allowed_pattern="",
            keyid="alias/aws/ssm",
            overwrite=False,
            tags=[],
            data_type="text",
            tier=None,
            policies=None,
        )
        return f"arn:aws:ssm:{region}:{account_id}:parameter/{name.removeprefix('/')}"


def _secrets(account_id: str, region: str) -> Any:
    from moto.secretsmanager.models import secretsmanager_backends

    return secretsmanager_backends[account_id][region].secrets


def _parameters(account_id: str, region: str) -> Any:
    from moto.ssm.models import ssm_backends

    return ssm_backends[account_id][region]._parameters
