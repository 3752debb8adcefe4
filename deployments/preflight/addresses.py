"""Checks of subnets: are they there, and have they addresses for the tasks that a rollout adds."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from aws import capacity
from aws.capacity import Subnet
from aws.errors import AwsNotFound
from aws.scope import Scope
from deployments.plans import OK, REFUSE, WARN, Check
from deployments.preflight.gathering import Look, answers

Document = Mapping[str, Any]
NAME, TITLE = "subnets", "Addresses in subnets"


def address_looks(scope: Scope, facts: Document, definition: Document, churn: Document) -> Iterable[Look]:
    """Return a look at the subnets of an awsvpc service; one call."""
    given = (facts.get("networkConfiguration") or {}).get("awsvpcConfiguration") or {}
    ids = tuple(str(one) for one in given.get("subnets") or [])
    if ids and definition.get("networkMode") == "awsvpc":
        added = max(0, int(churn.get("peak") or 0) - int(churn.get("tasks_stopped") or 0))
        yield Look(NAME, TITLE, lambda: [address_check(scope, ids, added)])


def address_check(scope: Scope, ids: tuple[str, ...], added: int) -> Check:
    """Compare the addresses that are left with the tasks of the peak that do not run yet.

    Each takes one, and ECS spreads tasks over the zones of their subnets: what one lacks, another does not give.
    """
    try:
        found = answers.get(capacity.subnets, scope, ids)
    except AwsNotFound as error:
        text = f"{error.message}: no task could start there. Let the service name subnets that exist."
        return Check(NAME, TITLE, REFUSE, text)
    share = math.ceil(added / len(found)) if found else 0
    if short := [one for one in found if one.free < share]:
        text = (
            f"The rollout adds up to {added} tasks, about {share} in each subnet: {shown(short)}. Tasks that find no"
            " address do not start (InsufficientFreeAddressesInSubnet, RESOURCE:ENI). Lower maximumPercent, or give"
            " the service a subnet that has room."
        )
        return Check(NAME, TITLE, WARN, text)
    least = min((one.free for one in found), default=0)
    which = "its subnet" if len(found) == 1 else f"each of {len(found)} subnets"
    text = f"The rollout adds up to {added} tasks; {which} has at least {least:,} addresses free."
    return Check(NAME, TITLE, OK, text)


def shown(subnets: list[Subnet]) -> str:
    return ", ".join(f"{one.id} in {one.zone} has {one.free:,} free" for one in subnets)
