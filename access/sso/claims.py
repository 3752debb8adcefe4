"""What the identity provider says of a person: the groups claim, read strictly."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

# More than any person is in; an identity provider that sends more sends what it has, not what was meant.
MOST_GROUPS = 200
LONGEST_NAME = 255


@dataclass(frozen=True, slots=True)
class Groups:
    """The groups of a person, or the reason why the claim says nothing; then there are none."""

    names: frozenset[str] = frozenset()
    problem: str = ""


def read_groups(claims: Mapping[str, Any], name: str) -> Groups:
    """Read the groups claim. Whatever is not clearly a list of names is no group at all, never the old ones.

    Entra ID leaves the claim out when there are too many groups and points elsewhere instead:
    https://learn.microsoft.com/entra/identity-platform/access-token-claims-reference#groups-overage-claim
    """
    elsewhere = claims.get("_claim_names")
    if claims.get("hasgroups") or (isinstance(elsewhere, Mapping) and name in elsewhere):
        return Groups(problem=f"The identity provider has too many groups to send and left {name} out.")
    if name not in claims:
        return Groups(problem=f"The claim {name} is missing.")
    value = claims[name]
    if not isinstance(value, list):
        return Groups(problem=f"The claim {name} is not a list.")
    if not value:
        return Groups(problem=f"The claim {name} is empty.")
    if len(value) > MOST_GROUPS:
        return Groups(
            problem=f"The claim {name} has {len(value)} groups; more than {MOST_GROUPS} are not read."
        )
    if not all(isinstance(item, str) and 0 < len(item) <= LONGEST_NAME for item in value):
        return Groups(problem=f"The claim {name} holds something that is not a group's name.")
    return Groups(frozenset(value))
