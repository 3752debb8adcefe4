"""Sizes, platforms, quotas, instances and capacity providers."""

from __future__ import annotations

from typing import Any

import pytest

from deployments.plans import OK, REFUSE, WARN
from deployments.preflight import gathering
from sandbox.scenarios.empty import ACCOUNT_ID
from tests.deployments.preflight.world import Definition, check, definition
from tests.deployments.rig import REGION, Rig


@pytest.mark.parametrize(
    ("more", "name", "level"),
    [
        ({"cpu": "1024"}, "task-size", REFUSE),
        ({"ephemeralStorage": {"sizeInGiB": 50}}, "ephemeral-storage", OK),
        ({"ephemeralStorage": {"sizeInGiB": 300}}, "ephemeral-storage", REFUSE),
    ],
)
def test_sizes_of_fargate(shop: Rig, more: dict[str, Any], name: str, level: str) -> None:
    assert check(shop, name, definition(**more))[0] == level


def test_an_old_platform_lacks_what_newer_definitions_need(shop: Rig) -> None:
    shop.service.facts["platformVersion"] = "1.3.0"
    assert check(shop, "platform-version")[0] == WARN
    arm = definition(runtimePlatform={"cpuArchitecture": "ARM64"})
    assert check(shop, "platform-version", arm)[0] == REFUSE


def test_a_quota_that_the_peak_passes_is_warned_of(shop: Rig) -> None:
    assert check(shop, "fargate-quota")[0] == OK
    gathering.answers.clear()
    shop.world.troubles.vcpu_limits[ACCOUNT_ID, REGION] = 0.5
    level, text = check(shop, "fargate-quota")
    assert (level, "1 vCPUs at the peak of 4 tasks" in text) == (WARN, True)


def on_instances(rig: Rig) -> Definition:
    rig.service.facts["launchType"] = "EC2"
    return definition(requiresCompatibilities=["EC2"], cpu="1024", memory="1024")


def test_no_instance_is_refused_and_room_is_counted(shop: Rig) -> None:
    of = on_instances(shop)
    assert check(shop, "instance-room", of)[0] == REFUSE
    shop.call("RegisterContainerInstance", cluster="prod")
    level, text = check(shop, "instance-room", of)
    assert (level, "room for 2 more" in text) == (OK, True)
    gathering.answers.clear()
    large = {**of, "cpu": "4096"}
    level, text = check(shop, "instance-room", large)
    assert (level, "room for 0 more" in text) == (WARN, True)


def test_a_capacity_provider_that_is_unknown_is_refused(shop: Rig) -> None:
    shop.service.facts["capacityProviderStrategy"] = [{"capacityProvider": "none", "weight": 1}]
    level, text = check(shop, "capacity-providers")
    assert (level, "none is unknown" in text) == (REFUSE, True)


def test_a_capacity_provider_that_the_cluster_does_not_have_is_refused_until_it_is_attached(
    shop: Rig,
) -> None:
    arn = f"arn:aws:ecs:{REGION}:{ACCOUNT_ID}:capacity-provider/FARGATE_SPOT"
    shop.service.facts["capacityProviderStrategy"] = [{"capacityProvider": arn, "weight": 1}]
    level, text = check(shop, "capacity-providers")
    assert (level, "FARGATE_SPOT is not attached to prod" in text) == (REFUSE, True)
    assert text.endswith("Attach it with PutClusterCapacityProviders, or choose another: none is attached.")
    # The inventory does not know it yet.
    attached = {"capacityProviders": ["FARGATE", "FARGATE_SPOT"], "defaultCapacityProviderStrategy": []}
    shop.call("PutClusterCapacityProviders", cluster="prod", **attached)
    assert check(shop, "capacity-providers") == (OK, "FARGATE_SPOT: ACTIVE and attached to prod.")
    shop.sandbox.faults.add("access-denied", operation="DescribeClusters")
    level, text = check(shop, "capacity-providers")
    assert (level, "the read role may not call ecs:DescribeClusters" in text) == (WARN, True)
    shop.service.cluster.facts = {**shop.service.cluster.facts, **attached}
    assert check(shop, "capacity-providers")[0] == OK
