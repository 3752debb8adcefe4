"""ECS's published request limits: groups of actions that share one bucket per account and region.

Follows https://docs.aws.amazon.com/AmazonECS/latest/APIReference/request-throttling.html
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """A bucket: its size and its refill a second."""

    group: str
    burst: float
    refill: float


_GROUPS: dict[Limit, tuple[str, ...]] = {
    Limit("ecs-cluster-read", 50, 20): ("ecs:DescribeClusters", "ecs:ListClusters"),
    Limit("ecs-service-read", 100, 20): ("ecs:DescribeServices", "ecs:ListServices"),
    Limit("ecs-service-modify", 50, 5): ("ecs:UpdateService",),
    Limit("ecs-cluster-resource-read", 100, 20): ("ecs:ListTasks", "ecs:DescribeTasks"),
    Limit("ecs-cluster-resource-modify", 100, 40): ("ecs:StopTask",),
    Limit("ecs-service-deployment", 50, 20): (
        "ecs:ListServiceDeployments",
        "ecs:DescribeServiceDeployments",
    ),
    Limit("ecs-service-revision", 50, 20): ("ecs:DescribeServiceRevisions",),
    Limit("ecs-task-definition-read", 50, 20): ("ecs:DescribeTaskDefinition", "ecs:ListTaskDefinitions"),
    Limit("ecs-task-definition-modify", 20, 1): ("ecs:RegisterTaskDefinition",),
    # CloudWatch Logs has no burst; these are the smaller of the published regional rates.
    Limit("logs-get", 10, 10): ("logs:GetLogEvents",),
    Limit("logs-filter", 5, 5): ("logs:FilterLogEvents",),
    Limit("logs-describe", 10, 10): ("logs:DescribeLogStreams",),
    # Two a second in an account and region, shared with everybody who looks into the event history.
    Limit("cloudtrail-lookup", 2, 2): ("cloudtrail:LookupEvents",),
}
LIMIT_OF: dict[str, Limit] = {action: limit for limit, actions in _GROUPS.items() for action in actions}


def limit_of(action: str) -> Limit:
    """Return the bucket of an action; one that AWS publishes nothing about has a modest one of its own."""
    return LIMIT_OF.get(action) or Limit(action.replace(":", "-"), 20, 10)
