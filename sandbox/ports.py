"""What the ECS control plane needs from the world around it, so that it can run without HTTP and without moto.

`sandbox.surroundings` implements `Surroundings` on moto; tests use `PlainSurroundings`.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict, deque
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

KEPT_LINES = 2_000


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call: account and region of the request, and the identity behind its credentials."""

    account_id: str
    region: str
    principal_arn: str = ""
    source_identity: str = ""
    session_name: str = ""


@dataclass(frozen=True, slots=True)
class Image:
    """A container image as its registry knows it; `digest` is `sha256:` and 64 hex digits."""

    reference: str
    digest: str
    pushed_at: datetime | None = None


class ApiError(Exception):
    """An error as the AWS API answers it."""

    def __init__(self, code: str, message: str, *, status: int = 400) -> None:
        super().__init__(f"{code}: {message}")
        self.code = code
        self.message = message
        self.status = status


class Surroundings(Protocol):
    """The services beside ECS that a task touches."""

    def find_image(self, caller: Caller, reference: str) -> Image | None:
        """Return the image behind a reference, None when its registry does not have it."""
        ...

    def write_log(
        self,
        caller: Caller,
        group: str,
        stream: str,
        lines: list[tuple[datetime, str]],
        *,
        create_group: bool,
    ) -> bool:
        """Append lines to a CloudWatch Logs stream; False when the group does not exist and may not be created."""
        ...

    def has_log_group(self, caller: Caller, group: str) -> bool: ...

    def has_secret(self, caller: Caller, value_from: str) -> bool:
        """Whether the Secrets Manager secret or SSM parameter that `valueFrom` names exists."""
        ...


class PlainSurroundings:
    """Surroundings kept in memory: every image exists unless its tag says `-missing`."""

    def __init__(self) -> None:
        # Bounded, so that a world that runs for weeks does not fill memory with request lines.
        self.log_lines: dict[tuple[str, str, str, str], deque[tuple[datetime, str]]] = defaultdict(
            lambda: deque(maxlen=KEPT_LINES)
        )
        self.missing_log_groups: set[str] = set()
        self.missing_secrets: set[str] = set()

    def find_image(self, caller: Caller, reference: str) -> Image | None:
        if "-missing" in reference:
            return None
        if "@sha256:" in reference:
            return Image(reference, reference.rsplit("@", 1)[1])
        return Image(reference, "sha256:" + hashlib.sha256(reference.encode()).hexdigest())

    def write_log(
        self,
        caller: Caller,
        group: str,
        stream: str,
        lines: list[tuple[datetime, str]],
        *,
        create_group: bool,
    ) -> bool:
        if group in self.missing_log_groups and not create_group:
            return False
        self.log_lines[caller.account_id, caller.region, group, stream].extend(lines)
        return True

    def has_log_group(self, caller: Caller, group: str) -> bool:
        return group not in self.missing_log_groups

    def has_secret(self, caller: Caller, value_from: str) -> bool:
        return value_from not in self.missing_secrets
