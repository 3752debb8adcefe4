"""Capacity providers: the two that AWS keeps for Fargate."""

from __future__ import annotations

from sandbox.names import arn, last_part
from sandbox.operations.registry import Context, failure, operation
from sandbox.state import Document

FARGATE = ("FARGATE", "FARGATE_SPOT")


@operation("DescribeCapacityProviders")
def describe_capacity_providers(context: Context, params: Document) -> Document:
    """Describe Fargate's capacity providers; there are no others in this sandbox."""
    references = params.get("capacityProviders") or FARGATE
    region = context.region
    found: list[Document] = []
    failures: list[Document] = []
    for reference in references:
        name = last_part(reference)
        full = arn(region.name, region.account_id, "capacity-provider", name)
        if name in FARGATE:
            found.append(
                {"capacityProviderArn": full, "name": name, "status": "ACTIVE", "type": name, "tags": []}
            )
        else:
            failures.append(failure(full))
    return {"capacityProviders": found, "failures": failures}
