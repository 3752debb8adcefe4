"""Checks of what the changing role may do: the calls of the plan, and the passing of the definition's roles."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aws import iam
from aws.errors import AwsError
from aws.iam import Verdict
from aws.scope import Scope
from clusters.models import Service
from deployments.plans import OK, WARN, Check
from deployments.preflight.gathering import Look, answers, reason_of
from deployments.preflight.roles import TASKS, new_roles, roles_of

Definition = Mapping[str, Any]
CHANGING, PASSING = "Rights of the changing role", "Passing of roles"


def right_looks(
    scope: Scope, service: Service, definition: Definition, current: Definition, *, registers: bool
) -> Iterable[Look]:
    """Return looks at the changing role's rights: one call, and two more where a definition is registered."""
    targets = {"ecs:UpdateService": service.arn}
    if registers:
        family = definition.get("family") or current.get("family") or service.name
        targets["ecs:RegisterTaskDefinition"] = f"{place_of(service.arn)}:task-definition/{family}:*"
    cluster = service.cluster.arn
    yield Look("changing-role", CHANGING, lambda: [rights_check(scope, targets, cluster)])
    roles, new = tuple(roles_of(definition)), tuple(new_roles(definition, current))
    if roles and (registers or new):
        yield Look("pass-role", PASSING, lambda: [passing_check(scope, roles, new)])


def place_of(arn: str) -> str:
    """Return an ARN up to its account."""
    return ":".join(arn.split(":")[:5])


def rights_check(scope: Scope, targets: Mapping[str, str], cluster_arn: str) -> Check:
    role = scope.changing_role_arn
    if not role:
        text = "Changes are made with the credentials of the console's own environment; their rights are not looked at."
        return Check("changing-role", CHANGING, OK, text)
    context = (("ecs:cluster", cluster_arn),)
    verdicts = [
        one
        for action, resource in targets.items()
        for one in answers.get(iam.simulate, scope, role, action, (resource,), context)
    ]
    return judged("changing-role", CHANGING, verdicts, f"{short(role)} may call {' and '.join(targets)}.")


def passing_check(scope: Scope, roles: tuple[str, ...], new: tuple[str, ...]) -> Check:
    """Say whether ECS may be given the definition's roles; those that are new are named also where IAM is silent."""
    role = scope.changing_role_arn
    needs = f"New for this service: {', '.join(new)}. The changing role has to be allowed iam:PassRole on it"
    if not role:
        text = f"{needs}." if new else "The roles are those of the present definition."
        return Check("pass-role", PASSING, WARN if new else OK, text)
    try:
        context = (("iam:PassedToService", TASKS),)
        verdicts = answers.get(iam.simulate, scope, role, "iam:PassRole", roles, context)
    except AwsError as error:
        lead = f"{needs}. That" if new else "This"
        return Check("pass-role", PASSING, WARN, f"{lead} cannot be checked: {reason_of(error)}.")
    names = ", ".join(short(arn) for arn in roles)
    return judged("pass-role", PASSING, verdicts, f"{short(role)} may pass {names} to {TASKS}.")


def judged(name: str, title: str, verdicts: list[Verdict], good: str) -> Check:
    """Return the check of verdicts; a hint, because policies of resources and sessions are not weighed by IAM."""
    denied = [one for one in verdicts if not one.is_allowed]
    if not denied:
        return Check(name, title, OK, good)
    what = ", ".join(f"{one.action} on {one.resource}" for one in denied)
    if keys := sorted({key for one in denied for key in one.missing}):
        text = (
            f"{what} is allowed under conditions on {', '.join(keys)}, if at all: they are not weighed here."
        )
        return Check(name, title, OK, text)
    text = f"The changing role's policies do not allow {what}: AWS would refuse the call. Allow it."
    return Check(name, title, WARN, text)


def short(arn: str) -> str:
    return arn.rsplit("/", 1)[-1]
