"""ARNs and identifiers in the forms that ECS gives them."""

from __future__ import annotations

import random
import re
import uuid
from typing import NamedTuple

RESOURCE_NAME = re.compile(r"^[A-Za-z0-9_-]{1,255}$")
_DEPLOYMENT_ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"


class Arn(NamedTuple):
    """The parts of an ECS ARN; `path` is what follows the resource kind, split at slashes."""

    region: str
    account_id: str
    kind: str
    path: tuple[str, ...]


def arn(region: str, account_id: str, kind: str, *path: str) -> str:
    """Build an ECS ARN."""
    return f"arn:{partition(region)}:ecs:{region}:{account_id}:{kind}/{'/'.join(path)}"


def partition(region: str) -> str:
    """Return the AWS partition of a region."""
    if region.startswith("cn-"):
        return "aws-cn"
    return "aws-us-gov" if region.startswith("us-gov-") else "aws"


def parse_arn(text: str) -> Arn | None:
    """Split an ECS ARN, None when the text is not one."""
    parts = text.split(":", 5)
    if len(parts) != 6 or parts[0] != "arn" or parts[2] != "ecs" or "/" not in parts[5]:
        return None
    kind, *path = parts[5].split("/")
    return Arn(parts[3], parts[4], kind, tuple(path))


def last_part(reference: str) -> str:
    """Return the name at the end of an ARN, or the reference itself when it is a plain name."""
    return reference.rsplit("/", 1)[-1]


class Identifiers:
    """Draw identifiers from the world's seeded randomness."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng

    def hex32(self) -> str:
        """Task and container instance ids."""
        return f"{self._rng.getrandbits(128):032x}"

    def uuid(self) -> str:
        """Container, attachment and event ids."""
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def digits19(self) -> str:
        """Service revision ids, and the digits of a deployment id."""
        return str(self._rng.randrange(10**18, 10**19))

    def deployment(self) -> str:
        """Ids of the entries in a service's `deployments`."""
        return f"ecs-svc/{self.digits19()}"

    def service_deployment(self) -> str:
        """Ids of service deployments: 21 characters, URL-safe."""
        return "".join(self._rng.choices(_DEPLOYMENT_ALPHABET, k=21))
