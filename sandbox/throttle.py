"""ECS's published request limits: a token bucket per account, region and group of operations.

Follows https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from sandbox.ports import ApiError


@dataclass(frozen=True, slots=True)
class Limit:
    """A group of operations that share a bucket: its size and its refill a second."""

    group: str
    burst: int
    refill: float


_LIMITS: dict[Limit, tuple[str, ...]] = {
    Limit("cluster-read", 50, 20): ("DescribeClusters", "ListClusters"),
    Limit("cluster-modify", 50, 20): (
        "CreateCluster",
        "DeleteCluster",
        "UpdateCluster",
        "UpdateClusterSettings",
        "PutClusterCapacityProviders",
    ),
    Limit("service-read", 100, 20): ("DescribeServices", "ListServices"),
    Limit("service-modify", 50, 5): ("CreateService", "UpdateService", "DeleteService"),
    Limit("services-by-namespace", 10, 1): ("ListServicesByNamespace",),
    Limit("cluster-resource-read", 100, 20): (
        "ListTasks",
        "DescribeTasks",
        "ListContainerInstances",
        "DescribeContainerInstances",
        "ListAttributes",
    ),
    Limit("cluster-resource-modify", 100, 40): (
        "RunTask",
        "StartTask",
        "StopTask",
        "ExecuteCommand",
        "RegisterContainerInstance",
        "DeregisterContainerInstance",
        "UpdateContainerInstancesState",
        "UpdateContainerAgent",
        "PutAttributes",
        "DeleteAttributes",
    ),
    Limit("service-deployment", 50, 20): ("ListServiceDeployments", "DescribeServiceDeployments"),
    Limit("service-revision", 50, 20): ("DescribeServiceRevisions",),
    Limit("task-definition-read", 50, 20): (
        "DescribeTaskDefinition",
        "ListTaskDefinitions",
        "ListTaskDefinitionFamilies",
    ),
    Limit("task-definition-modify", 20, 1): ("RegisterTaskDefinition", "DeregisterTaskDefinition"),
    Limit("tag-read", 50, 20): ("ListTagsForResource",),
    Limit("capacity-provider-read", 50, 20): ("DescribeCapacityProviders",),
    Limit("account-setting-read", 50, 20): ("ListAccountSettings",),
    Limit("task-protection", 200, 80): ("GetTaskProtection", "UpdateTaskProtection"),
}
LIMIT_OF: dict[str, Limit] = {name: limit for limit, names in _LIMITS.items() for name in names}
# The page does not name a bucket for the rest (StopServiceDeployment, TagResource, ...): one apart for each.
UNPUBLISHED = Limit("", 50, 20)


class Throttle:
    """Grants or refuses calls; `enabled` may be switched at any time."""

    def __init__(self, *, enabled: bool = True, clock: Callable[[], float] = time.monotonic) -> None:
        self.enabled = enabled
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: dict[tuple[str, str, str], tuple[float, float]] = {}

    def take(self, account_id: str, region: str, operation: str) -> None:
        """Take one token, or raise ThrottlingException."""
        if not self.enabled:
            return
        limit = LIMIT_OF.get(operation, UNPUBLISHED)
        key = (account_id, region, limit.group or operation)
        now = self._clock()
        with self._lock:
            tokens, since = self._buckets.get(key, (float(limit.burst), now))
            tokens = min(limit.burst, tokens + (now - since) * limit.refill)
            granted = tokens >= 1
            self._buckets[key] = (tokens - 1 if granted else tokens, now)
        if not granted:
            raise ApiError("ThrottlingException", "Rate exceeded")

    def reset(self) -> None:
        """Fill every bucket."""
        with self._lock:
            self._buckets.clear()
