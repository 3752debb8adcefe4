"""The operations of Application Auto Scaling on ECS services; other namespaces are moto's."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sandbox.around.registry import Ask, Document, answers
from sandbox.around.scaling import (
    DIMENSION,
    HIGH_PERIODS,
    LOW_PERIODS,
    LOW_SHARE,
    ROLE,
    Activity,
    Policy,
    ScalableTarget,
    ScheduledAction,
)
from sandbox.around.schedules import Schedule
from sandbox.names import partition
from sandbox.ports import ApiError

SERVICE = "application-autoscaling"
TARGET_PAGE, POLICY_PAGE, ACTION_PAGE, ACTIVITY_PAGE = 50, 10, 50, 50
SWITCHES = ("DynamicScalingInSuspended", "DynamicScalingOutSuspended", "ScheduledScalingSuspended")


def _ours(params: Document) -> bool:
    return params.get("ServiceNamespace") == "ecs"


def _invalid(message: str) -> ApiError:
    return ApiError("ValidationException", message)


def _target(ask: Ask, params: Document) -> ScalableTarget:
    target = ask.around.scaling.of(ask.place).get(params["ResourceId"])
    if target is None or params["ScalableDimension"] != DIMENSION:
        raise ApiError(
            "ObjectNotFoundException",
            f"No scalable target registered for service namespace: ecs, resource ID: {params['ResourceId']}, "
            f"scalable dimension: {params['ScalableDimension']}",
        )
    return target


@answers(SERVICE, "RegisterScalableTarget")
def register_scalable_target(ask: Ask, params: Document) -> Document | None:
    """Register a service, or change its limits and what is suspended."""
    if not _ours(params):
        return None
    resource = params["ResourceId"]
    if params["ScalableDimension"] != DIMENSION or len(resource.split("/")) != 3:
        raise _invalid(f"Unsupported service namespace, resource type or scalable dimension: {resource}")
    scaling = ask.around.scaling
    target = scaling.of(ask.place).get(resource)
    fresh = target is None
    if target is None:
        if params.get("MinCapacity") is None or params.get("MaxCapacity") is None:
            raise _invalid(
                "Min capacity and max capacity are required when registering a new scalable target."
            )
        account_id, region = ask.place
        base = f"arn:{partition(region)}"
        arn = f"{base}:application-autoscaling:{region}:{account_id}:scalable-target/{scaling.new_id()[:32]}"
        role = (
            f"{base}:iam::{account_id}:role/aws-service-role/ecs.application-autoscaling.amazonaws.com/{ROLE}"
        )
        target = ScalableTarget(resource, arn, 0, 0, role, ask.world.now)
        if scaling.service_of(ask.place, target) is None:
            raise _invalid(f"ECS service doesn't exist: {resource}")
    lowest, highest = params.get("MinCapacity", target.minimum), params.get("MaxCapacity", target.maximum)
    if lowest < 0 or highest < 0:
        raise _invalid("Min capacity and max capacity must not be negative.")
    if highest < lowest:
        raise _invalid("Maximum capacity cannot be less than minimum capacity")
    target.minimum, target.maximum = lowest, highest
    given = params.get("SuspendedState") or {}
    target.suspended |= {name: bool(value) for name, value in given.items()}
    if fresh:
        scaling.of(ask.place)[resource] = target
    ask.around.wake()
    return {"ScalableTargetARN": target.arn}


@answers(SERVICE, "DeregisterScalableTarget")
def deregister_scalable_target(ask: Ask, params: Document) -> Document | None:
    """Forget a service with its policies, their alarms, and its scheduled actions."""
    if not _ours(params):
        return None
    target = _target(ask, params)
    for policy in target.policies.values():
        _drop_alarms(ask, policy)
    del ask.around.scaling.of(ask.place)[target.resource]
    return {}


@answers(SERVICE, "DescribeScalableTargets")
def describe_scalable_targets(ask: Ask, params: Document) -> Document | None:
    """List what is registered, fifty a page."""
    if not _ours(params):
        return None
    wanted = params.get("ResourceIds")
    found = [
        item
        for name, item in sorted(ask.around.scaling.of(ask.place).items())
        if not wanted or name in wanted
    ]
    chosen, token = _page(ask, params, found, TARGET_PAGE, f"targets {wanted}")
    shown = [
        {
            "ServiceNamespace": "ecs",
            "ResourceId": item.resource,
            "ScalableDimension": DIMENSION,
            "MinCapacity": item.minimum,
            "MaxCapacity": item.maximum,
            "RoleARN": item.role,
            "CreationTime": item.created_at,
            "SuspendedState": {name: item.suspended.get(name, False) for name in SWITCHES},
            "ScalableTargetARN": item.arn,
        }
        for item in chosen
    ]
    return {"ScalableTargets": shown, "NextToken": token}


@answers(SERVICE, "PutScalingPolicy")
def put_scaling_policy(ask: Ask, params: Document) -> Document | None:
    """Create or replace a policy; target tracking brings its own alarms."""
    if not _ours(params):
        return None
    target, name = _target(ask, params), params["PolicyName"]
    known = target.policies.get(name)
    kind = params.get("PolicyType") or (known.kind if known else "StepScaling")
    member = {
        "TargetTrackingScaling": "TargetTrackingScalingPolicyConfiguration",
        "StepScaling": "StepScalingPolicyConfiguration",
    }.get(kind)
    if member is None:
        raise _invalid(f"The policy type {kind} is not implemented in this sandbox.")
    if not params.get(member):
        raise _invalid(f"{member} is required for policies of type {kind}.")
    if known and known.kind != kind:
        raise _invalid("The type of a scaling policy can not be changed.")
    if known is None:
        account_id, region = ask.place
        arn = (
            f"arn:{partition(region)}:autoscaling:{region}:{account_id}:scalingPolicy:"
            f"{ask.around.scaling.new_id()}:resource/ecs/{target.resource}:policyName/{name}"
        )
        known = Policy(name, arn, kind, {}, ask.world.now)
    known.config = params[member]
    if kind == "TargetTrackingScaling":
        _put_alarms(ask, target, known)
    target.policies[name] = known
    return {"PolicyARN": known.arn, "Alarms": _alarms(ask, known)}


def _put_alarms(ask: Ask, target: ScalableTarget, policy: Policy) -> None:
    """Make the alarms of target tracking: above the target for 3 minutes, well below it for 15."""
    metric, value = _tracked_metric(target, policy.config), float(policy.config["TargetValue"])
    if not policy.alarms:
        prefix = f"TargetTracking-{target.resource}"
        policy.alarms = [f"{prefix}-Alarm{side}-{ask.around.scaling.new_id()}" for side in ("High", "Low")]
    sides = [
        (policy.alarms[0], "GreaterThanThreshold", value, HIGH_PERIODS),
        (policy.alarms[-1], "LessThanThreshold", round(value * LOW_SHARE, 6), LOW_PERIODS),
    ]
    for name, comparison, threshold, periods in sides[: 1 if policy.config.get("DisableScaleIn") else 2]:
        ask.around.alarms.put(
            ask.place,
            {
                "AlarmName": name,
                "AlarmDescription": f"DO NOT EDIT OR DELETE. For TargetTrackingScaling policy {policy.arn}.",
                "AlarmActions": [policy.arn],
                "ActionsEnabled": True,
                "ComparisonOperator": comparison,
                "Threshold": threshold,
                "EvaluationPeriods": periods,
                **metric,
            },
        )
    ask.around.wake()


_PREDEFINED = {
    "ECSServiceAverageCPUUtilization": "CPUUtilization",
    "ECSServiceAverageMemoryUtilization": "MemoryUtilization",
}


def _tracked_metric(target: ScalableTarget, config: Document) -> dict[str, Any]:
    predefined = config.get("PredefinedMetricSpecification")
    if predefined:
        kind = predefined["PredefinedMetricType"]
        if kind == "ALBRequestCountPerTarget":
            group = "targetgroup/" + (predefined.get("ResourceLabel") or "").partition("targetgroup/")[2]
            return {
                "Namespace": "AWS/ApplicationELB",
                "MetricName": "RequestCountPerTarget",
                "Dimensions": [{"Name": "TargetGroup", "Value": group}],
                "Statistic": "Sum",
                "Period": 60,
            }
        if kind not in _PREDEFINED:
            raise _invalid(f"The metric type {kind} is not valid for ECS services.")
        cluster, service = target.names
        names = {"ClusterName": cluster, "ServiceName": service}
        return {
            "Namespace": "AWS/ECS",
            "MetricName": _PREDEFINED[kind],
            "Dimensions": [{"Name": name, "Value": value} for name, value in names.items()],
            "Statistic": "Average",
            "Period": 60,
        }
    custom = config.get("CustomizedMetricSpecification")
    if not custom or not custom.get("MetricName"):
        raise _invalid("A predefined metric or a customized one with MetricName must be specified.")
    return {
        name: custom[name]
        for name in ("Namespace", "MetricName", "Dimensions", "Statistic")
        if custom.get(name)
    } | {"Period": 60}


def _alarms(ask: Ask, policy: Policy) -> list[Document]:
    alarms = ask.around.alarms.of(ask.place)
    if policy.kind == "TargetTrackingScaling":
        found = [alarms[name] for name in policy.alarms if name in alarms]
    else:
        found = [alarm for alarm in alarms.values() if policy.arn in (alarm.config.get("AlarmActions") or ())]
    return [{"AlarmName": alarm.name, "AlarmARN": alarm.arn} for alarm in found]


def _drop_alarms(ask: Ask, policy: Policy) -> None:
    for name in policy.alarms:
        ask.around.alarms.delete(ask.place, name)


@answers(SERVICE, "DeleteScalingPolicy")
def delete_scaling_policy(ask: Ask, params: Document) -> Document | None:
    if not _ours(params):
        return None
    target = ask.around.scaling.of(ask.place).get(params["ResourceId"])
    policy = target.policies.pop(params["PolicyName"], None) if target else None
    if policy is None:
        raise ApiError(
            "ObjectNotFoundException",
            f"No scaling policy found for service namespace: ecs, resource ID: {params['ResourceId']}, "
            f"scalable dimension: {params['ScalableDimension']}, scaling policy name: {params['PolicyName']}",
        )
    _drop_alarms(ask, policy)
    return {}


@answers(SERVICE, "DescribeScalingPolicies")
def describe_scaling_policies(ask: Ask, params: Document) -> Document | None:
    """List policies, ten a page at most."""
    if not _ours(params):
        return None
    names, resource = params.get("PolicyNames"), params.get("ResourceId")
    found = [
        (target, policy)
        for name, target in sorted(ask.around.scaling.of(ask.place).items())
        if resource in (None, name)
        for policy in target.policies.values()
        if not names or policy.name in names
    ]
    chosen, token = _page(ask, params, found, POLICY_PAGE, f"policies {resource} {names}")
    shown = [
        {
            "PolicyARN": policy.arn,
            "PolicyName": policy.name,
            "ServiceNamespace": "ecs",
            "ResourceId": target.resource,
            "ScalableDimension": DIMENSION,
            "PolicyType": policy.kind,
            f"{policy.kind}PolicyConfiguration": policy.config,
            "Alarms": _alarms(ask, policy),
            "CreationTime": policy.created_at,
        }
        for target, policy in chosen
    ]
    return {"ScalingPolicies": shown, "NextToken": token}


@answers(SERVICE, "PutScheduledAction")
def put_scheduled_action(ask: Ask, params: Document) -> Document | None:
    """Create or change a scheduled action."""
    if not _ours(params):
        return None
    target, name = _target(ask, params), params["ScheduledActionName"]
    known = target.actions.get(name)
    config = {**(known.config if known else {}), **params}
    if not config.get("Schedule") or not config.get("ScalableTargetAction"):
        raise _invalid("Schedule and ScalableTargetAction are required for a new scheduled action.")
    schedule = Schedule(config["Schedule"], config.get("Timezone"))
    account_id, region = ask.place
    arn = (
        known.arn
        if known
        else (
            f"arn:{partition(region)}:autoscaling:{region}:{account_id}:scheduledAction:"
            f"{ask.around.scaling.new_id()}:resource/ecs/{target.resource}:scheduledActionName/{name}"
        )
    )
    created = known.created_at if known else ask.world.now
    target.actions[name] = ScheduledAction(name, arn, config, schedule, created, ask.world.now)
    return {}


@answers(SERVICE, "DeleteScheduledAction")
def delete_scheduled_action(ask: Ask, params: Document) -> Document | None:
    if not _ours(params):
        return None
    target = ask.around.scaling.of(ask.place).get(params["ResourceId"])
    if target is None or target.actions.pop(params["ScheduledActionName"], None) is None:
        raise ApiError(
            "ObjectNotFoundException", f"No scheduled action found: {params['ScheduledActionName']}"
        )
    return {}


@answers(SERVICE, "DescribeScheduledActions")
def describe_scheduled_actions(ask: Ask, params: Document) -> Document | None:
    if not _ours(params):
        return None
    names, resource = params.get("ScheduledActionNames"), params.get("ResourceId")
    found = [
        (target, action)
        for name, target in sorted(ask.around.scaling.of(ask.place).items())
        if resource in (None, name)
        for action in target.actions.values()
        if not names or action.name in names
    ]
    chosen, token = _page(ask, params, found, ACTION_PAGE, f"actions {resource} {names}")
    members = ("Schedule", "Timezone", "StartTime", "EndTime", "ScalableTargetAction")
    shown = [
        {
            "ScheduledActionName": action.name,
            "ScheduledActionARN": action.arn,
            "ServiceNamespace": "ecs",
            "ResourceId": target.resource,
            "ScalableDimension": DIMENSION,
            "CreationTime": action.created_at,
            **{name: action.config[name] for name in members if action.config.get(name)},
        }
        for target, action in chosen
    ]
    return {"ScheduledActions": shown, "NextToken": token}


@answers(SERVICE, "DescribeScalingActivities")
def describe_scaling_activities(ask: Ask, params: Document) -> Document | None:
    """List what was done, newest first, fifty a page."""
    if not _ours(params):
        return None
    resource = params.get("ResourceId")
    found = [item for item in ask.around.scaling.activities(ask.place) if resource in (None, item.resource)]
    chosen, token = _page(ask, params, found, ACTIVITY_PAGE, f"activities {resource}")
    return {"ScalingActivities": [_shown(item) for item in chosen], "NextToken": token}


def _shown(item: Activity) -> Document:
    return {
        "ActivityId": item.id,
        "ServiceNamespace": "ecs",
        "ResourceId": item.resource,
        "ScalableDimension": DIMENSION,
        "Description": item.description,
        "Cause": item.cause,
        "StartTime": item.started_at,
        "EndTime": item.ended_at,
        "StatusCode": item.status,
        "StatusMessage": item.message,
    }


def _page(
    ask: Ask, params: Document, items: Iterable[Any], most: int, label: str
) -> tuple[list[Any], str | None]:
    size = int(params.get("MaxResults") or most)
    if not 1 <= size <= most:
        raise _invalid(f"The maximum number of results must be between 1 and {most}.")
    return ask.around.pages.cut(
        list(items), params.get("NextToken"), size, label=label, code="InvalidNextTokenException"
    )
