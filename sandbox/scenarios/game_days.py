"""Acme on two bad days, to practise on: a bad release on a Friday, and an availability zone that is gone."""

from __future__ import annotations

from datetime import timedelta

from sandbox import troubles
from sandbox.around.series import minute_of
from sandbox.history import service_of
from sandbox.scenarios import acme
from sandbox.scenarios.acme_catalog import ENVIRONMENTS, PRODUCTION, Cluster
from sandbox.scenarios.building import ServiceBuilder, ci, person
from sandbox.scenarios.stage import Stage

# How long each day has been bad when people arrive.
FRIDAY_SECONDS = 900.0
ZONE_SECONDS = 60.0
_FLEET_SINCE = 60.0
_BUSY = ("web-frontend", "checkout-api", "cart-api", "payments-api")
ZONE = "us-east-1a"
# So long everybody rushes to the zones that are left, and Fargate has no room there either.
_RUSH_SECONDS = 45.0


def load_bad_friday(stage: Stage) -> None:
    """Release a checkout that leaks memory at the busiest hour, during a freeze, while half of production deploys.

    It passes its health checks, so nothing rolls back by itself; its tasks run full one after the other.
    """
    builders = acme.build(stage)
    production = [item for item in builders.values() if item.cluster.account_id == PRODUCTION]
    for builder in production:
        if builder.service.name in _BUSY:
            _ask_more(stage, builder.cluster, builder.service.name, 2.5)
    for cluster in {item.cluster.name: item.cluster for item in production}.values():
        _freeze(stage, cluster)
    checkout = builders["prod-core", "checkout-api"]
    tag = f"{stage.now:%Y.%m.%d}-9-leak"
    pushed = stage.now - timedelta(minutes=12)
    stage.surroundings.registry.push(
        PRODUCTION, checkout.cluster.region, "shop/checkout-api", tag, at=pushed, megabytes=131
    )
    checkout.deploy(tag, by=person(PRODUCTION, "tom.becker"))
    stage.world.advance(FRIDAY_SECONDS - _FLEET_SINCE)
    _deploy_half(production, apart_from=checkout)
    stage.world.advance(_FLEET_SINCE)


def _ask_more(stage: Stage, cluster: Cluster, name: str, factor: float) -> None:
    region = stage.world.region(cluster.account_id, cluster.region)
    stage.around.load.change(service_of(region, cluster.name, name), minute_of(stage.now), factor)


def _freeze(stage: Stage, cluster: Cluster) -> None:
    """Mark a cluster as frozen, as acme's people do it."""
    place = (cluster.account_id, cluster.region)
    arn = stage.world.region(*place).clusters[cluster.name].arn
    tags = [
        {"key": "change-freeze", "value": "weekend"},
        {"key": "environment", "value": ENVIRONMENTS[place[0]]},
    ]
    stage.call(*place, "TagResource", by=person(place[0], "maria.lopez"), resourceArn=arn, tags=tags)


def _deploy_half(production: list[ServiceBuilder], *, apart_from: ServiceBuilder) -> None:
    calm = [item for item in production if item.service.condition == "steady" and item is not apart_from]
    for number, builder in enumerate(calm[::2]):
        builder.deploy(builder.releases.newer[-1], by=ci(builder.cluster.account_id, 4170 + number))


def load_zone_down(stage: Stage) -> None:
    """Take one of production's availability zones away; for a while there is no room in the others either."""
    acme.build(stage)
    world, place = stage.world, (PRODUCTION, "us-east-1")
    troubles.lose_zone(world, *place, ZONE)
    world.capacity_shortage.add(place)

    def room_again() -> None:
        world.capacity_shortage.discard(place)
        troubles.wake(world, *place)

    world.clock.after(_RUSH_SECONDS, room_again)
    world.advance(ZONE_SECONDS)
