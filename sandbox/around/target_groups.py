"""Target groups and the health of their targets, as the tasks behind them stand."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import Any, NamedTuple

from sandbox.around.blue_green import alternate_of, turn_of
from sandbox.around.registry import Ask, Document, answers
from sandbox.images import behaviour_of
from sandbox.messages import Request
from sandbox.names import partition
from sandbox.ports import ApiError
from sandbox.state import Region, Service, Task

PAGE = 400
# A new target is checked every 30 seconds and called unhealthy after the second failure.
REGISTERS = 4.0
JUDGED_AFTER = 45.0
DEFAULT_DELAY = 300

REGISTERING = ("Elb.RegistrationInProgress", "Target registration is in progress")
CHECKING = ("Elb.InitialHealthChecking", "Initial health checks in progress")
DRAINING = ("Target.DeregistrationInProgress", "Target deregistration is in progress")
FAILED = ("Target.ResponseCodeMismatch", "Health checks failed with these codes: [503]")
TIMED_OUT = ("Target.Timeout", "Request timed out")


class Attachment(NamedTuple):
    """A service behind a target group."""

    arn: str
    service: Service
    container: str
    port: int
    # The number of the group among the two of a blue/green service, None for a service that has one only.
    turn: int | None = None


def is_classic(request: Request) -> bool:
    """Whether a request is for the classic load balancers, which share the name in signatures."""
    return b"Version=2012-06-01" in request.body


def attachments(region: Region) -> Iterator[Attachment]:
    """List the services of a region with each target group that they register with."""
    for cluster in region.clusters.values():
        for service in cluster.services.values():
            if service.status == "INACTIVE":
                continue
            for item in service.target_groups:
                name, port = item.get("containerName") or "", int(item.get("containerPort") or 80)
                alternate = alternate_of(item)
                yield Attachment(item["targetGroupArn"], service, name, port, 0 if alternate else None)
                if alternate:
                    yield Attachment(alternate, service, name, port, 1)


def state_of(ask: Ask, task: Task, container: str) -> tuple[str, tuple[str, str] | None] | None:
    """Return a task's target state with its reason, None while the task is no target."""
    if task.started_at is None:
        return None
    if not task.wanted:
        # A task that ended by itself drains while it is torn down; one that was stopped has drained before.
        crashed = task.stop_code == "EssentialContainerExited"
        drains = ("DEACTIVATING", "STOPPING", "DEPROVISIONING") if crashed else ("DEACTIVATING",)
        return ("draining", DRAINING) if task.last_status in drains else None
    if task.healthy:
        return "healthy", None
    age = ask.world.clock.lasted(task.started_at)
    if age < REGISTERS:
        return "initial", REGISTERING
    if age < JUDGED_AFTER:
        return "initial", CHECKING
    images = [item.image for item in task.containers if item.name == container]
    slow = any(not behaviour_of(image).never_healthy for image in images)
    return "unhealthy", TIMED_OUT if slow else FAILED


def target_of(task: Task, port: int) -> Document:
    """Describe a task as a target: its address, or its host where it has none of its own."""
    if task.private_ip:
        return {"Id": task.private_ip, "Port": port, "AvailabilityZone": task.zone or None}
    return {"Id": task.instance.ec2_instance_id if task.instance else task.id, "Port": port}


@answers("elbv2", "DescribeTargetHealth")
def describe_target_health(ask: Ask, params: Document) -> Document | None:
    """Describe the targets of one group; moto answers for groups that no service uses."""
    arn = params["TargetGroupArn"]
    behind = [item for item in attachments(ask.region) if item.arn == arn]
    if not behind:
        if arn in _motos(ask):
            return None
        raise _not_found()
    wanted = {(item["Id"], item.get("Port")) for item in params.get("Targets") or []}
    found = []
    for _, service, container, port, turn in behind:
        for task in service.tasks.values():
            if turn is not None and turn_of(service, task) != turn:
                continue
            state = state_of(ask, task, container)
            target = target_of(task, port)
            if state is None or (wanted and not {(target["Id"], port), (target["Id"], None)} & wanted):
                continue
            health: Document = {"State": state[0]}
            if state[1]:
                health |= {"Reason": state[1][0], "Description": state[1][1]}
            found.append({"Target": target, "HealthCheckPort": "traffic-port", "TargetHealth": health})
    return {"TargetHealthDescriptions": found}


@answers("elbv2", "DescribeTargetGroups")
def describe_target_groups(ask: Ask, params: Document) -> Document:
    """Describe the groups made through ELB and those that services of a scenario name."""
    known = {arn: _moto_group(item) for arn, item in _motos(ask).items()}
    for item in attachments(ask.region):
        known.setdefault(item.arn, _implied_group(item))
    groups = list(known.values())
    arns, names = params.get("TargetGroupArns"), params.get("Names")
    if arns:
        groups = [item for item in groups if item["TargetGroupArn"] in arns]
    elif names:
        groups = [item for item in groups if item["TargetGroupName"] in names]
    elif params.get("LoadBalancerArn"):
        groups = [item for item in groups if params["LoadBalancerArn"] in item["LoadBalancerArns"]]
    if len(groups) < len(arns or names or ()):
        raise _not_found()
    chosen, marker = ask.around.pages.cut(
        groups, params.get("Marker"), _size(params), label="target-groups", code="ValidationError"
    )
    return {"TargetGroups": chosen, "NextMarker": marker}


@answers("elbv2", "DescribeTargetGroupAttributes")
def describe_target_group_attributes(ask: Ask, params: Document) -> Document | None:
    """Describe a group's attributes, the deregistration delay among them, as the world acts on it."""
    arn = params["TargetGroupArn"]
    if arn in _motos(ask):
        return None
    if not any(item.arn == arn for item in attachments(ask.region)):
        raise _not_found()
    delay = ask.world.deregistration_delays.get(arn, ask.world.deregistration_delay)
    attributes = {
        "deregistration_delay.timeout_seconds": str(int(delay)),
        "stickiness.enabled": "false",
        "load_balancing.algorithm.type": "round_robin",
        "slow_start.duration_seconds": "0",
    }
    return {"Attributes": [{"Key": key, "Value": value} for key, value in attributes.items()]}


@answers("elbv2", "DescribeLoadBalancers")
def describe_load_balancers(ask: Ask, params: Document) -> Document | None:
    """Describe the load balancers in front of a scenario's target groups; moto answers where it has some."""
    from moto.elbv2.models import elbv2_backends

    if elbv2_backends[ask.caller.account_id][ask.caller.region].load_balancers:
        return None
    balancers = {}
    for item in attachments(ask.region):
        if item.arn not in _motos(ask):
            balancers[item.service.cluster.name] = _implied_balancer(ask, item.service)
    found = list(balancers.values())
    arns, names = params.get("LoadBalancerArns") or [], params.get("Names") or []
    if arns or names:
        found = [
            item for item in found if item["LoadBalancerArn"] in arns or item["LoadBalancerName"] in names
        ]
        if len(found) < len(arns or names):
            raise ApiError("LoadBalancerNotFound", "One or more load balancers not found")
    chosen, marker = ask.around.pages.cut(
        found, params.get("Marker"), _size(params), label="load-balancers", code="ValidationError"
    )
    return {"LoadBalancers": chosen, "NextMarker": marker}


def adopt_delay(ask: Ask, arn: str) -> None:
    """Let tasks drain for as long as a group made through ELB says."""
    group = _motos(ask).get(arn)
    if group is not None:
        delay = group.attributes.get("deregistration_delay.timeout_seconds", DEFAULT_DELAY)
        ask.world.deregistration_delays[arn] = float(delay)


def load_balancer_arn(service: Service) -> str:
    """Name the load balancer in front of a cluster whose target groups were not made through ELB."""
    region = service.cluster.region
    prefix = f"arn:{partition(region.name)}:elasticloadbalancing:{region.name}:{region.account_id}"
    name = _balancer_name(service)
    return f"{prefix}:loadbalancer/app/{name}/{_hex(service.cluster.arn, 16)}"


def load_balancers_of(target_group: str, service: Service) -> list[str]:
    """Return the load balancers that send requests to a service's target group."""
    from moto.elbv2.models import elbv2_backends

    region = service.cluster.region
    group = elbv2_backends[region.account_id][region.name].target_groups.get(target_group)
    if group:
        return list(group.load_balancer_arns)
    named = [balancer_of_rule(item) for item in service.target_groups if target_group in groups_of(item)]
    return [arn for arn in named if arn] or [load_balancer_arn(service)]


def groups_of(balancer: Document) -> tuple[str, str]:
    return balancer["targetGroupArn"], alternate_of(balancer)


def balancer_of_rule(balancer: Document) -> str:
    """Return the load balancer that a production listener rule belongs to, empty where none is named."""
    rule = (balancer.get("advancedConfiguration") or {}).get("productionListenerRule") or ""
    head, found, rest = rule.partition(":listener-rule/")
    return f"{head}:loadbalancer/{'/'.join(rest.split('/')[:3])}" if found else ""


def _balancer_name(service: Service) -> str:
    return f"{service.cluster.name}-public"[:32].strip("-")


def _implied_balancer(ask: Ask, service: Service) -> Document:
    name, region = _balancer_name(service), service.cluster.region.name
    return {
        "LoadBalancerArn": load_balancer_arn(service),
        "LoadBalancerName": name,
        "DNSName": f"{name}-{int(_hex(name, 8), 16)}.{region}.elb.amazonaws.com",
        "CanonicalHostedZoneId": "Z" + _hex(region, 13).upper(),
        "CreatedTime": min(item.created_at for item in service.cluster.services.values()),
        "Scheme": "internet-facing",
        "VpcId": _vpc(service),
        "State": {"Code": "active"},
        "Type": "application",
        "AvailabilityZones": [{"ZoneName": f"{region}{letter}"} for letter in "abc"],
        "IpAddressType": "ipv4",
    }


def _implied_group(item: Attachment) -> Document:
    return {
        "TargetGroupArn": item.arn,
        "TargetGroupName": item.arn.split("/")[-2]
        if item.arn.count("/") > 1
        else item.arn.rsplit("/", 1)[-1],
        "Protocol": "HTTP",
        "Port": item.port,
        "VpcId": _vpc(item.service),
        "HealthCheckProtocol": "HTTP",
        "HealthCheckPort": "traffic-port",
        "HealthCheckEnabled": True,
        "HealthCheckIntervalSeconds": 30,
        "HealthCheckTimeoutSeconds": 5,
        "HealthyThresholdCount": 2,
        "UnhealthyThresholdCount": 2,
        "HealthCheckPath": "/healthz",
        "Matcher": {"HttpCode": "200"},
        "LoadBalancerArns": [load_balancer_arn(item.service)],
        "TargetType": "ip",
        "ProtocolVersion": "HTTP1",
        "IpAddressType": "ipv4",
    }


def _moto_group(group: Any) -> Document:
    return {
        "TargetGroupArn": group.arn,
        "TargetGroupName": group.name,
        "Protocol": group.protocol,
        "Port": int(group.port) if group.port else None,
        "VpcId": group.vpc_id,
        "HealthCheckProtocol": group.health_check_protocol,
        "HealthCheckPort": group.health_check_port,
        "HealthCheckEnabled": group.health_check_enabled,
        "HealthCheckIntervalSeconds": int(group.health_check_interval_seconds),
        "HealthCheckTimeoutSeconds": int(group.health_check_timeout_seconds),
        "HealthyThresholdCount": int(group.healthy_threshold_count),
        "UnhealthyThresholdCount": int(group.unhealthy_threshold_count),
        "HealthCheckPath": group.health_check_path,
        "Matcher": getattr(group, "matcher", None),
        "LoadBalancerArns": list(group.load_balancer_arns),
        "TargetType": group.target_type,
        "ProtocolVersion": group.protocol_version,
        "IpAddressType": group.ip_address_type,
    }


def _motos(ask: Ask) -> dict[str, Any]:
    from moto.elbv2.models import elbv2_backends

    groups: dict[str, Any] = elbv2_backends[ask.caller.account_id][ask.caller.region].target_groups
    return groups


def _vpc(service: Service) -> str:
    return "vpc-" + _hex(f"{service.cluster.region.account_id}/{service.cluster.region.name}/vpc", 17)


def _hex(text: str, length: int) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:length]


def _size(params: Document) -> int:
    size = int(params.get("PageSize") or PAGE)
    if not 1 <= size <= PAGE:
        raise ApiError("ValidationError", f"The page size must be between 1 and {PAGE}.")
    return size


def _not_found() -> ApiError:
    return ApiError("TargetGroupNotFound", "One or more target groups not found")
