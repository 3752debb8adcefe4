"""Checks of secrets and parameters: are they there in the version that is asked for. No value is ever read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aws import secrets
from aws.errors import AwsNotFound
from aws.scope import Scope
from deployments.plans import OK, REFUSE, WARN, Check
from deployments.preflight.gathering import Look, answers


@dataclass(frozen=True, slots=True)
class Reference:
    """What `valueFrom` names: where it is, and which key, stage and version of it."""

    service: str
    region: str
    account_id: str
    name: str
    key: str = ""
    stage: str = ""
    version: str = ""


def parse(value_from: str) -> Reference | None:
    """Cut a `valueFrom`; None for an ARN of no form that ECS takes.

    Follows https://docs.aws.amazon.com/AmazonECS/latest/developerguide/secrets-envvar-secrets-manager.html:
    arn:aws:secretsmanager:region:account:secret:name:json-key:stage:version-id, the last three may be empty.
    """
    if not value_from.startswith("arn:"):
        return Reference("ssm", "", "", value_from) if value_from else None
    parts = value_from.split(":")
    if len(parts) >= 7 and parts[2] == "secretsmanager" and parts[5] == "secret" and len(parts) <= 10:
        key, stage, version = [*parts[7:], "", "", ""][:3]
        return Reference(parts[2], parts[3], parts[4], ":".join(parts[:7]), key, stage, version)
    if len(parts) == 6 and parts[2] == "ssm" and parts[5].startswith("parameter/"):
        path = parts[5].removeprefix("parameter/")
        # The name of a parameter in a hierarchy begins with a slash that its ARN does not repeat.
        return Reference("ssm", parts[3], parts[4], f"/{path}" if "/" in path else path)
    return None


def references(definition: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Yield container, variable and `valueFrom` of everything that ECS fetches before a container starts."""
    for item in definition.get("containerDefinitions") or []:
        name = str(item.get("name", ""))
        options = (item.get("logConfiguration") or {}).get("secretOptions") or []
        for secret in [*(item.get("secrets") or []), *options]:
            yield name, str(secret.get("name", "")), str(secret.get("valueFrom") or "")
        if parameter := (item.get("repositoryCredentials") or {}).get("credentialsParameter"):
            yield name, "registry", str(parameter)


def secret_looks(scope: Scope, definition: Mapping[str, Any]) -> Iterable[Look]:
    """Return a look at each distinct secret; one call each, and the answers of one secret are shared."""
    seen: set[tuple[str, str]] = set()
    for container, variable, value_from in references(definition):
        if (variable, value_from) in seen:
            continue
        seen.add((variable, value_from))
        name, title = f"secret-{container}-{variable}", f"{variable} of {container}"
        yield Look(
            name,
            title,
            lambda name=name, title=title, value=value_from: [secret_check(scope, name, title, value)],  # type: ignore[misc]
        )


def secret_check(scope: Scope, name: str, title: str, value_from: str) -> Check:
    found = parse(value_from)
    if found is None:
        text = f"{value_from or 'Nothing'} is no reference that ECS takes. Give the ARN of a secret or parameter."
        return Check(name, title, REFUSE, text)
    place = scope.in_region(found.region or scope.region)
    if found.service == "ssm":
        return parameter_check(place, name, title, found)
    try:
        secret = answers.get(secrets.describe_secret, place, found.name)
    except AwsNotFound:
        text = f"{short(found.name)} does not exist in {place.region}: no task could start. Create it first."
        return Check(name, title, REFUSE, text)
    return Check(name, title, *version_of(secret, found))


def version_of(secret: secrets.Secret, asked: Reference) -> tuple[str, str]:
    """Return level and text of a secret that is there."""
    name = short(asked.name)
    if secret.is_deleted:
        return REFUSE, f"{name} is marked for deletion: no task could start. Restore it first."
    if asked.version and asked.version not in secret.versions:
        return REFUSE, f"{name} has no version {asked.version}: no task could start."
    if asked.stage and asked.stage not in secret.stages:
        return REFUSE, f"{name} has no version of stage {asked.stage}: no task could start."
    key = (
        f" Whether it has the key {asked.key} is not looked at: that would read its value."
        if asked.key
        else ""
    )
    return OK, f"{name} exists in Secrets Manager.{key}"


def parameter_check(place: Scope, name: str, title: str, found: Reference) -> Check:
    if found.account_id and found.account_id != place.account_id:
        text = f"This cannot be checked: {found.name} is a parameter of account {found.account_id}."
        return Check(name, title, WARN, text)
    if answers.get(parameter_exists, place, found.name):
        return Check(name, title, OK, f"{found.name} exists in Parameter Store.")
    text = f"Parameter {found.name} does not exist in {place.region}: no task could start. Create it first."
    return Check(name, title, REFUSE, text)


def parameter_exists(place: Scope, name: str) -> bool:
    return name in secrets.existing_parameters(place, (name,))


def short(arn: str) -> str:
    return arn.rsplit(":", 1)[-1]
