"""A shop with three accounts, eight clusters and some forty services, most of them well.

The world starts a while before now, so that what is going on has really happened: a large rollout in flight, one
rolled back for a missing image, a crash loop that nothing stops, an out-of-memory rollout being rolled back, a canary
that waits for somebody with a tenth of the traffic, services scaled to zero, and one that wants more tasks than Fargate
gives it.
"""

from __future__ import annotations

from typing import Any

from sandbox.identity import Role
from sandbox.scenarios.acme_catalog import CLUSTERS, ENVIRONMENTS, REGIONS
from sandbox.scenarios.acme_days import tell_days
from sandbox.scenarios.building import ServiceBuilder, ci, person
from sandbox.scenarios.stage import READ_ONLY, Stage

EXTERNAL_ID = "acme-4d9e1c7a"
ACCOUNTS: list[dict[str, Any]] = [
    {
        "id": account_id,
        "name": f"acme-{environment}",
        "environment": environment,
        "regions": REGIONS[account_id],
        "read_role_arn": f"arn:aws:iam::{account_id}:role/ecsconsole-read",
        "deploy_role_arn": f"arn:aws:iam::{account_id}:role/ecsconsole-deploy",
        "external_id": EXTERNAL_ID,
    }
    for account_id, environment in ENVIRONMENTS.items()
]
SECRETS = ("db", "stripe", "jwt", "smtp", "sftp", "session-key")
# How much of its own past the world lives through while it loads.
LEAD_SECONDS = 1500.0
_ROLLING_SINCE = 100.0
# The breaker trips after some 110 seconds, and the rollback takes as long again.
_OUT_OF_MEMORY_SINCE = 150.0
# The canary's tasks are up by then, and a person lets it have its first traffic.
_CANARY_CONTINUED = 1260.0
# Before each step of traffic somebody says yes; a weekend is time enough for it.
CANARY = {
    "strategy": "CANARY",
    "bakeTimeInMinutes": 5,
    "canaryConfiguration": {"canaryPercent": 10.0, "canaryBakeTimeInMinutes": 5},
    "lifecycleHooks": [
        {
            "targetType": "PAUSE",
            "lifecycleStages": ["PRE_PRODUCTION_TRAFFIC_SHIFT"],
            "timeoutConfiguration": {"timeoutInMinutes": 3 * 1440, "action": "ROLLBACK"},
        }
    ],
}

Builders = dict[tuple[str, str], ServiceBuilder]


def load(stage: Stage) -> None:
    """Set acme up as people find it."""
    build(stage)


def build(stage: Stage) -> Builders:
    """Set acme up and return what its services were built with, so that a story can go on from there."""
    _add_accounts(stage)
    builders = _build(stage)
    _live_through(stage, builders)
    tell_days(stage)
    return builders


def _add_accounts(stage: Stage) -> None:
    # What acme's registries hold is fixed: a tag that nobody pushed is not there.
    stage.surroundings.registry.strict = True
    for account in ACCOUNTS:
        stage.identity.add_account(account["id"])
        stage.identity.add_role(Role(account["read_role_arn"], EXTERNAL_ID, READ_ONLY))
        stage.identity.add_role(Role(account["deploy_role_arn"], EXTERNAL_ID))


def _build(stage: Stage) -> Builders:
    builders: Builders = {}
    for cluster in CLUSTERS:
        place = (cluster.account_id, cluster.region)
        secrets = {name: _secret(stage, *place, name) for name in SECRETS}
        stage.call(
            *place,
            "CreateCluster",
            clusterName=cluster.name,
            capacityProviders=["FARGATE", "FARGATE_SPOT"],
            settings=[{"name": "containerInsights", "value": "enhanced"}],
            tags=[{"key": "environment", "value": ENVIRONMENTS[cluster.account_id]}],
        )
        for service in cluster.services:
            builder = ServiceBuilder(stage, cluster, service, secrets)
            builder.build()
            builders[cluster.name, service.name] = builder
    return builders


def _secret(stage: Stage, account_id: str, region: str, name: str) -> str:
    from moto.secretsmanager.models import secretsmanager_backends

    known = secretsmanager_backends[account_id][region].secrets
    full = f"shop/{ENVIRONMENTS[account_id]}/{name}"
    if full in known:
        return str(known[full].arn)
    return stage.surroundings.create_secret(account_id, region, full, "made up for the sandbox")


def _live_through(stage: Stage, builders: Builders) -> None:
    """Let the stories happen, each early enough to stand where it should when people look."""
    world = stage.world
    end = world.now.timestamp() + LEAD_SECONDS

    def until(seconds_before_end: float) -> None:
        world.advance(max(0.0, end - seconds_before_end - world.now.timestamp()))

    fraud, invoices = builders["prod-payments", "fraud-scorer"], builders["prod-batch", "invoice-renderer"]
    fraud.deploy(fraud.releases.missing, by=ci(fraud.cluster.account_id, 4151))
    invoices.deploy(invoices.releases.crash, by=person(invoices.cluster.account_id, "tom.becker"))
    recommender = builders["dev-sandbox", "prototype-recommender"]
    world.capacity_shortage.add((recommender.cluster.account_id, recommender.cluster.region))
    recommender.update(by=person(recommender.cluster.account_id, "priya.nair"), desiredCount=7)
    identity = builders["prod-eu", "identity-api"]
    identity.deploy(
        identity.releases.newer[-1],
        by=ci(identity.cluster.account_id, 4148),
        deploymentConfiguration=identity.rollout() | CANARY,
    )
    until(_CANARY_CONTINUED)
    identity.proceed(by=person(identity.cluster.account_id, "maria.lopez"))
    until(_OUT_OF_MEMORY_SINCE)
    search = builders["staging-core", "search-api"]
    search.deploy(search.releases.oom, by=ci(search.cluster.account_id, 4157))
    until(_ROLLING_SINCE)
    frontend = builders["prod-core", "web-frontend"]
    frontend.deploy(frontend.releases.newer[-1], by=ci(frontend.cluster.account_id, 4160))
    until(0)
