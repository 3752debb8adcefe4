"""Checks of network and load balancer: will the new tasks be reached, judged fairly, and let go in time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from aws import elb
from aws.errors import AwsError, AwsNotFound
from aws.scope import Scope
from clusters.spans import spell
from deployments.plans import OK, REFUSE, WARN, Check
from deployments.preflight.gathering import Look, answers, reason_of

Document = Mapping[str, Any]
TWO_SIDED = frozenset({"BLUE_GREEN", "LINEAR", "CANARY"})


def balancing_checks(facts: Document, definition: Document, strategy: str) -> list[Check]:
    """Return what can be said of network and load balancers without asking AWS."""
    checks = [network_check(facts, definition)]
    for item in facts.get("loadBalancers") or []:
        checks.append(port_check(item, definition))
        if strategy in TWO_SIDED:
            checks.append(alternate_check(item, strategy))
    return checks


def network_check(facts: Document, definition: Document) -> Check:
    title = "Network"
    given = (facts.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
    mode = str(definition.get("networkMode") or "bridge")
    if mode != "awsvpc":
        return Check("network", title, OK, f"The tasks share their instance's network ({mode}).")
    if not given.get("subnets"):
        text = "The definition is awsvpc, and the service names no subnets: ECS refuses it."
        return Check("network", title, REFUSE, text)
    public = "with" if given.get("assignPublicIp") == "ENABLED" else "without"
    text = f"Each task gets an address of its own in {len(given['subnets'])} subnets, {public} a public one."
    return Check("network", title, OK, text)


def port_check(balancer: Document, definition: Document) -> Check:
    """Check that the container and the port behind a load balancer are kept."""
    container, port = str(balancer.get("containerName", "")), balancer.get("containerPort")
    name, title = f"load-balancer-{container}", f"Load balancer to {container}"
    containers = definition.get("containerDefinitions") or []
    found = next((item for item in containers if item.get("name") == container), None)
    if found is None:
        text = f"The load balancer sends to container {container}, which the definition does not have. Keep its name."
        return Check(name, title, REFUSE, text)
    ports = [item.get("containerPort") for item in found.get("portMappings") or []]
    if port not in ports:
        has = f"maps {', '.join(str(one) for one in ports)}" if ports else "maps none"
        text = (
            f"The load balancer sends to port {port} of {container}, and the definition {has}. Keep the port."
        )
        return Check(name, title, REFUSE, text)
    return Check(name, title, OK, f"Port {port} of {container} is kept.")


def alternate_check(balancer: Document, strategy: str) -> Check:
    container = str(balancer.get("containerName", ""))
    name, title = f"alternate-{container}", f"Second target group of {container}"
    if (balancer.get("advancedConfiguration") or {}).get("alternateTargetGroupArn"):
        return Check(name, title, OK, f"There is one for {strategy} to shift traffic to.")
    text = (
        f"None: {strategy} has nowhere to shift traffic to. Set advancedConfiguration of the load balancer."
    )
    return Check(name, title, REFUSE, text)


def groups_of(facts: Document) -> Iterator[tuple[str, Document]]:
    """Yield the target groups of a service, both of a blue/green one."""
    for item in facts.get("loadBalancers") or []:
        second = (item.get("advancedConfiguration") or {}).get("alternateTargetGroupArn")
        for arn in (item.get("targetGroupArn"), second):
            if arn:
                yield str(arn), item


def balancing_looks(scope: Scope, facts: Document, definition: Document) -> Iterable[Look]:
    """Return a look at each target group; two calls each."""
    for arn, item in groups_of(facts):
        yield Look(
            f"target-group-{short(arn)}",
            f"Target group {short(arn)}",
            lambda arn=arn, item=item: group_checks(scope, arn, item, facts, definition),  # type: ignore[misc]
        )


def group_checks(
    scope: Scope, arn: str, balancer: Document, facts: Document, definition: Document
) -> list[Check]:
    name, title = f"target-group-{short(arn)}", f"Target group {short(arn)}"
    try:
        group = answers.get(elb.target_group, scope, arn)
    except AwsNotFound:
        text = "It does not exist: ECS could register no task. Point the service to another."
        return [Check(name, title, REFUSE, text)]
    wanted = "ip" if definition.get("networkMode") == "awsvpc" else "instance"
    if group.target_type != wanted:
        text = (
            f"Its targets are of type {group.target_type}, and tasks of this definition register as {wanted}."
        )
        return [Check(name, title, REFUSE, text)]
    text = f"Exists, with targets of type {group.target_type}."
    return [
        Check(name, title, OK, text),
        health_check(arn, group, balancer, definition),
        grace_check(arn, group, facts),
        drain_check(scope, arn),
    ]


def health_check(arn: str, group: elb.TargetGroup, balancer: Document, definition: Document) -> Check:
    """Check that the health check asks at a port that the container has."""
    name, title = f"health-check-{short(arn)}", f"Health check of {short(arn)}"
    asks = f"{group.protocol} {group.check_path}".strip()
    if group.check_port == "traffic-port":
        return Check(name, title, OK, f"Asks {asks} at port {balancer.get('containerPort')}.")
    containers = definition.get("containerDefinitions") or []
    ports = {str(one.get("containerPort")) for item in containers for one in item.get("portMappings") or []}
    if group.check_port in ports:
        return Check(name, title, OK, f"Asks {asks} at port {group.check_port}.")
    text = f"Asks {asks} at port {group.check_port}, which no container maps: the tasks may never be healthy."
    return Check(name, title, WARN, text)


def grace_check(arn: str, group: elb.TargetGroup, facts: Document) -> Check:
    """Compare the grace period with the time after which a target that does not answer is given up."""
    name, title = f"grace-{short(arn)}", f"Grace period for {short(arn)}"
    grace = int(facts.get("healthCheckGracePeriodSeconds") or 0)
    until = group.interval * group.unhealthy_after
    if grace >= until:
        return Check(
            name, title, OK, f"{grace} s, and a target is given up after {until} s without an answer."
        )
    text = (
        f"{grace} s, and a target is given up after {until} s without an answer"
        f" ({group.unhealthy_after} checks every {group.interval} s): a task that takes longer to start is replaced."
    )
    return Check(name, title, WARN, text)


def drain_check(scope: Scope, arn: str) -> Check:
    name, title = f"drain-{short(arn)}", f"Draining from {short(arn)}"
    try:
        delay = answers.get(elb.deregistration_delay, scope, arn)
    except AwsError as error:
        return Check(name, title, WARN, f"This cannot be checked: {reason_of(error)}.")
    if not delay:
        return Check(name, title, WARN, "Tasks are cut off at once: requests that are under way are lost.")
    text = f"Old tasks finish their requests for up to {spell(delay)}: the rollout ends no sooner."
    return Check(name, title, OK, text)


def short(arn: str) -> str:
    """Return the name of a target group."""
    parts = arn.split("/")
    return parts[-2] if len(parts) > 2 else parts[-1]
