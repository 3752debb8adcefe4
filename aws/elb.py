"""Reads of Elastic Load Balancing: target groups and how long they drain."""

from __future__ import annotations

from dataclasses import dataclass

from aws.calls import read
from aws.scope import Scope

DELAY = "deregistration_delay.timeout_seconds"


@dataclass(frozen=True, slots=True)
class TargetGroup:
    """A target group and its health check; `check_port` is a number or the text traffic-port."""

    name: str
    target_type: str
    protocol: str
    check_path: str
    check_port: str
    interval: int
    healthy_after: int
    unhealthy_after: int


def target_group(scope: Scope, arn: str) -> TargetGroup:
    """Describe a target group; raises AwsNotFound. IAM: elasticloadbalancing:DescribeTargetGroups."""
    item = read(scope, "elbv2", "describe_target_groups", TargetGroupArns=[arn])["TargetGroups"][0]
    return TargetGroup(
        str(item.get("TargetGroupName", "")),
        str(item.get("TargetType", "")),
        str(item.get("Protocol", "")),
        str(item.get("HealthCheckPath") or ""),
        str(item.get("HealthCheckPort") or "traffic-port"),
        int(item.get("HealthCheckIntervalSeconds") or 30),
        int(item.get("HealthyThresholdCount") or 5),
        int(item.get("UnhealthyThresholdCount") or 2),
    )


def deregistration_delay(scope: Scope, arn: str) -> int:
    """Return for how many seconds a target drains. IAM: elasticloadbalancing:DescribeTargetGroupAttributes."""
    answer = read(scope, "elbv2", "describe_target_group_attributes", TargetGroupArn=arn)
    values = {item.get("Key"): item.get("Value") for item in answer.get("Attributes") or []}
    return int(values.get(DELAY) or 300)
