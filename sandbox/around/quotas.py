"""Service Quotas of Fargate, as the world acts on them."""

from __future__ import annotations

from sandbox.around.registry import Ask, Document, answers
from sandbox.names import partition
from sandbox.ports import ApiError

# Codes of Fargate's quotas: vCPUs that run at once, on demand and on Spot.
NAMES = {
    "L-3032A538": "Fargate On-Demand vCPU resource count",
    "L-36FBB829": "Fargate Spot vCPU resource count",
}
# What an account that has run for a while is usually granted.
USUAL = 4000.0


@answers("service-quotas", "GetServiceQuota")
def get_service_quota(ask: Ask, params: Document) -> Document | None:
    """Describe a quota of Fargate; moto answers for other services."""
    code = params["QuotaCode"]
    if params["ServiceCode"] != "fargate":
        return None
    if code not in NAMES:
        raise ApiError(
            "NoSuchResourceException", "The request failed because the specified quota does not exist."
        )
    account_id, region = ask.place
    quota = {
        "ServiceCode": "fargate",
        "ServiceName": "AWS Fargate",
        "QuotaArn": f"arn:{partition(region)}:servicequotas:{region}:{account_id}:fargate/{code}",
        "QuotaCode": code,
        "QuotaName": NAMES[code],
        "Value": ask.world.troubles.vcpu_limits.get(ask.place, USUAL),
        "Unit": "None",
        "Adjustable": True,
        "GlobalQuota": False,
    }
    return {"Quota": quota}
