"""The sentences that ECS writes: service events, reasons and error messages, in AWS's real wording."""

from __future__ import annotations

from collections.abc import Sequence

ESSENTIAL_EXITED = "Essential container in task exited"
FAILED_CONTAINER_HEALTH = "Task failed container health checks"
CAPACITY_UNAVAILABLE = (
    "Capacity is unavailable at this time. Please try again later or in a different availability zone"
)
VCPU_LIMIT = "You’ve reached the limit on the number of vCPUs you can run concurrently"
INFRASTRUCTURE_LOST = "ECS is performing maintenance on the underlying infrastructure hosting the task."
SPOT_INTERRUPTED = "Your Spot Task was interrupted."
NO_INSTANCES = "No Container Instances were found in your cluster."
BREAKER_FAILED = "ECS deployment circuit breaker: tasks failed to start."
BREAKER_EXCEEDED = "Service deployment rolled back because the circuit breaker threshold was exceeded."
BREAKER_STOPPED = "Service deployment stopped because the circuit breaker threshold was exceeded."
NO_ROLLBACK_CANDIDATE = "No rollback candidate was found to run the rollback."
USER_ROLLBACK = "Service deployment rolled back because of a user request."
STOPPED_BY_USER = "ECS deployment stopped by a user request."
SUPERSEDED = "Service deployment was stopped because a newer service deployment started."
ALARM_FAILED = "ECS deployment failed: alarm detected."
SERVICE_DELETED = "Service deployment was stopped because the service was deleted."


def _tasks(ids: Sequence[str]) -> str:
    return " ".join(f"(task {task_id})" for task_id in ids)


def started(service: str, ids: Sequence[str]) -> str:
    return f"(service {service}) has started {len(ids)} tasks: {_tasks(ids)}."


def stopped_running(service: str, ids: Sequence[str]) -> str:
    return f"(service {service}) has stopped {len(ids)} running tasks: {_tasks(ids)}."


def stopped_pending(service: str, ids: Sequence[str]) -> str:
    return f"(service {service}) stopped {len(ids)} pending tasks."


def steady(service: str) -> str:
    return f"(service {service}) has reached a steady state."


def completed(service: str, deployment: str) -> str:
    return f"(service {service}) (deployment {deployment}) deployment completed."


def failed(service: str, deployment: str) -> str:
    return f"(service {service}) (deployment {deployment}) deployment failed: tasks failed to start."


def alarm_detected(service: str, deployment: str) -> str:
    return f"(service {service}) (deployment {deployment}) deployment failed: alarm detected."


def alarm_rollback(alarm: str) -> str:
    return f"Service deployment rolled back because the CloudWatch alarm {alarm} was detected."


def alarm_rolling_back(deployment: str) -> str:
    return f"ECS deployment alarm detected: rolling back to deploymentId {deployment}."


def hook_rollback(hook: str) -> str:
    return f"Service deployment rolled back because of the lifecycle hook {hook}."


def rolling_back(service: str, deployment: str) -> str:
    return f"(service {service}) rolling back to deployment {deployment}."


def registered(service: str, count: int, target_group: str) -> str:
    return f"(service {service}) registered {count} targets in (target-group {target_group})"


def deregistered(service: str, count: int, target_group: str) -> str:
    return f"(service {service}) deregistered {count} targets in (target-group {target_group})"


def draining(service: str, deployment: str, count: int) -> str:
    return f"(service {service}, taskSet {deployment}) has begun draining connections on {count} tasks."


def unhealthy_target(service: str, task_id: str, port: int, target_group: str) -> str:
    return (
        f"(service {service}) (task {task_id}) (port {port}) is unhealthy in (target-group {target_group})"
        " due to (reason Health checks failed with these codes: [503])"
    )


def replaced_unhealthy(service: str, count: int) -> str:
    return f"(service {service}) Amazon ECS replaced {count} tasks due to an unhealthy status."


def start_impaired(service: str) -> str:
    return f"(service {service}) is unable to consistently start tasks successfully."


def cannot_place(service: str, reason: str) -> str:
    return (
        f"(service {service}) was unable to place a task. Reason: {reason}."
        " For more information, see the Troubleshooting section of the Amazon ECS Developer Guide."
    )


def no_instance(service: str) -> str:
    return (
        f"(service {service}) was unable to place a task because no container instance met all of its"
        " requirements. Reason: No Container Instances were found in your cluster. For more information, see"
        " the Troubleshooting section of the Amazon ECS Developer Guide."
    )


# What the nearest container instance lacks, by the reason in which RunTask's `failures` say it.
_LACKS = {
    "RESOURCE:CPU": "has insufficient CPU units available.",
    "RESOURCE:MEMORY": "has insufficient memory available.",
    "RESOURCE:PORTS": "is already using a port required by your task.",
    "ATTRIBUTE": "is missing an attribute required by your task.",
}


def closest_instance(service: str, instance: str, reason: str) -> str:
    lacks = _LACKS.get(reason, f'encountered error "{reason}".')
    return (
        f"(service {service}) was unable to place a task because no container instance met all of its"
        f" requirements. The closest matching container-instance {instance} {lacks} For more information, see the"
        " Troubleshooting section of the Amazon ECS Developer Guide."
    )


def host_terminated(instance: str) -> str:
    return f"Host EC2 (instance {instance}) terminated."


def no_addresses(subnet: str) -> str:
    return (
        "Unexpected EC2 error while attempting to Create Network Interface with public IP assignment disabled in"
        f" subnet '{subnet}': InsufficientFreeAddressesInSubnet"
    )


def deadlock(service: str) -> str:
    return (
        f"(service {service}) was unable to stop or start tasks during a deployment because of the service"
        " deployment configuration. Update the minimumHealthyPercent or maximumPercent value and try again."
    )


def protected(service: str, deployment: str, count: int) -> str:
    return (
        f"(service {service}) was unable to reach steady state because (taskSet {deployment}) was unable to"
        f" scale in due to (reason {count} tasks under protection)"
    )


def in_progress(deployment: str) -> str:
    return f"ECS deployment {deployment} in progress."


def rollout_completed(deployment: str) -> str:
    return f"ECS deployment {deployment} completed."


def breaker_rolling_back(deployment: str) -> str:
    return f"ECS deployment circuit breaker: rolling back to deploymentId {deployment}."


def user_rolling_back(deployment: str) -> str:
    return f"ECS deployment stopped by a user request: rolling back to deploymentId {deployment}."


def scaling_activity(deployment: str) -> str:
    return f"Scaling activity initiated by (deployment {deployment})"


def failed_elb_health(target_group: str) -> str:
    return f"Task failed ELB health checks in (target-group {target_group})"


def pull_not_found(image: str) -> str:
    return (
        "CannotPullContainerError: pull image manifest has been retried 5 time(s): failed to resolve ref"
        f" {image}: {image}: not found"
    )


def pull_forbidden(image: str) -> str:
    host, _, rest = image.partition("/")
    name, _, tag = rest.partition(":")
    return (
        "CannotPullContainerError: pull image manifest has been retried 1 time(s): failed to resolve ref"
        f" {image}: unexpected status from HEAD request to https://{host}/v2/{name}/manifests/{tag or 'latest'}:"
        " 403 Forbidden"
    )


def pull_wrong_platform(platform: str) -> str:
    return (
        f"CannotPullContainerError: image Manifest does not contain descriptor matching platform '{platform}'"
    )


def missing_log_group() -> str:
    return (
        "ResourceInitializationError: failed to validate logger args: The task cannot find the Amazon CloudWatch"
        " log group defined in the task definition. There is a connection issue between the task and Amazon"
        " CloudWatch. Check your network configuration. : signal: killed"
    )


def missing_secret(value_from: str) -> str:
    if ":ssm:" in value_from or not value_from.startswith("arn:"):
        return (
            "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval"
            " failed: unable to retrieve secrets from ssm: service call has been retried 1 time(s): invalid"
            f" parameters: {value_from}"
        )
    return (
        "ResourceInitializationError: unable to pull secrets or registry auth: execution resource retrieval failed:"
        " unable to retrieve secret from asm: service call has been retried 1 time(s): failed to fetch secret"
        f" {value_from} from secrets manager: ResourceNotFoundException: Secrets Manager can't find the specified"
        " secret."
    )
