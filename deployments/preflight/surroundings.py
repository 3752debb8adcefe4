"""All that surrounds a rollout: looked at from the inventory at once, and in AWS side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws.errors import AwsError
from clusters.models import Service
from clusters.queries import scope_of
from deployments.definitions import masked_definition
from deployments.plans import WARN, Check
from deployments.preflight import (
    addresses,
    balancing,
    capacity,
    images,
    logs,
    rights,
    roles,
    rollout,
    secrets,
)
from deployments.preflight.churn import churn_of, configuration_of, strategy_of
from deployments.preflight.gathering import gather, reason_of


def rollout_checks(
    service: Service,
    definition: Mapping[str, Any] | None = None,
    configuration: Mapping[str, Any] | None = None,
    *,
    with_images: bool = True,
    registers: bool = False,
) -> list[Check]:
    """Return the checks of a rollout of a definition, by itself the present one, with this much set otherwise.

    `registers` says that a definition is registered first. Takes four seconds at most. Calls of AWS in all: 4 for each
    image of ECR, 1 for each role, secret, parameter and log group, 1 to 3 for the changing role's rights, 2 for each
    target group, 1 for alarms, 1 or 4 for the autoscaler, 1 for all subnets, up to 2 for capacity providers, 1 for the
    Fargate quota or 2 to 6 for instances. A usual service on Fargate with a load balancer, one image, two roles and
    two secrets costs 17; the next plan within half a minute asks only for what was absent.
    """
    try:
        current = masked_definition(service, service.task_definition_arn)
    except AwsError as error:
        if definition is None:
            text = f"What PRIMARY runs cannot be checked: {reason_of(error)}."
            return [
                *rollout.safety_checks(service, configuration),
                Check("definition", "Task definition", WARN, text),
            ]
        current = {}
    new = current if definition is None else definition
    facts, scope, churn = service.facts, scope_of(service), churn_of(service, configuration)
    strategy = strategy_of(configuration_of(service, configuration))
    looks = [
        *(images.image_looks(scope, facts, new, current) if with_images else ()),
        *roles.role_looks(scope, new),
        *rights.right_looks(scope, service, new, current, registers=registers),
        *secrets.secret_looks(scope, new),
        *logs.log_looks(scope, new),
        *balancing.balancing_looks(scope, facts, new),
        *addresses.address_looks(scope, facts, new, churn),
        *capacity.capacity_looks(scope, service.cluster, facts, new, churn),
        *rollout.safety_looks(scope, service, churn, configuration),
    ]
    return [
        *rollout.safety_checks(service, configuration),
        *roles.role_checks(new),
        *logs.log_checks(new),
        *balancing.balancing_checks(facts, new, strategy),
        *capacity.capacity_checks(facts, new),
        *gather(looks),
    ]
