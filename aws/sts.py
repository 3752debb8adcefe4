"""Who the console is."""

from __future__ import annotations

from dataclasses import dataclass

import botocore.session

from aws.calls import call
from aws.errors import AwsCredentials
from aws.scope import Scope
from aws.sessions import Identity as Actor
from aws.sessions import reader


@dataclass(frozen=True, slots=True)
class Identity:
    """The principal that AWS sees."""

    account_id: str
    arn: str


def configured_region() -> str:
    """Return the region of the environment or of the AWS profile, empty when neither names one."""
    return str(botocore.session.get_session().get_config_variable("region") or "")


def who_am_i(scope: Scope | None) -> Identity:
    """Return who the reader of a scope is, without one who the console's own credentials belong to."""
    place = scope or Scope("", configured_region())
    if not place.region:
        raise AwsCredentials("No region is set", action="sts:GetCallerIdentity", code="NoRegion")
    actor = reader(scope) if scope else Actor()
    answer = call(actor, place, "sts", "get_caller_identity", {})
    return Identity(answer["Account"], answer["Arn"])
