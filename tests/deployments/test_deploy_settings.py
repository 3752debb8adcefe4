"""Settings of the service that a deploy sends: those that begin a deployment, and those that do not."""

from __future__ import annotations

import pytest

from deployments.errors import ChangeRefused, InvalidSpec
from deployments.states import State
from deployments.terms import IfBusy, Terms
from tests.deployments.rig import Killed, Rig, dies_after, fresh, image_spec, loses_answer
from tests.deployments.test_deploy_fields import UPDATE, run, sent


def test_settings_alone_succeed_without_a_service_deployment(dev_rig: Rig) -> None:
    configuration = {"minimumHealthyPercent": 50, "deploymentCircuitBreaker": {"resetOnHealthyTask": False}}
    before = dev_rig.facts()
    spec = {"service": {"deploymentConfiguration": configuration, "enableExecuteCommand": True}}
    change = run(dev_rig, spec)
    after = dev_rig.facts()
    assert change.state == State.SUCCEEDED, change.outcome
    assert "as they were asked for" in change.outcome
    assert dev_rig.calls == [UPDATE]
    assert after["currentServiceDeployment"] == before["currentServiceDeployment"]
    assert after["enableExecuteCommand"] is True
    assert after["deploymentConfiguration"]["minimumHealthyPercent"] == 50
    assert after["deploymentConfiguration"]["deploymentCircuitBreaker"]["rollback"] is True
    assert change.title == "Change rollout, ECS Exec of checkout-api"


def test_settings_without_an_answer_are_looked_for(dev_rig: Rig) -> None:
    change = dev_rig.ask("deploy", {"service": {"enableExecuteCommand": True}})
    dev_rig.around = loses_answer(UPDATE, happened=True)
    change = dev_rig.until(change)
    assert (change.state, dev_rig.calls) == (State.SUCCEEDED, [UPDATE])


def test_settings_that_never_arrived_are_sent_again(dev_rig: Rig) -> None:
    change = dev_rig.ask("deploy", {"service": {"enableExecuteCommand": True}})
    dev_rig.around = loses_answer(UPDATE, happened=False)
    dev_rig.wake(change)
    dev_rig.around = None
    change = dev_rig.until(change)
    assert (change.state, dev_rig.calls) == (State.SUCCEEDED, [UPDATE, UPDATE])


def test_settings_survive_the_death_of_their_worker(dev_rig: Rig) -> None:
    change = dev_rig.ask("deploy", {"service": {"enableExecuteCommand": True}})
    dev_rig.around = dies_after(UPDATE)
    with pytest.raises(Killed):
        dev_rig.wake(change)
    dev_rig.around = None
    dev_rig.world.advance(120)
    change = dev_rig.until(change)
    assert (change.state, dev_rig.calls) == (State.SUCCEEDED, [UPDATE])


def test_a_platform_version_alone_begins_a_deployment_that_is_watched(dev_rig: Rig) -> None:
    before = dev_rig.facts()
    change = run(dev_rig, {"service": {"platformVersion": "1.4.0"}})
    after = dev_rig.facts()
    assert change.state == State.SUCCEEDED, change.outcome
    assert "SUCCESSFUL" in change.outcome
    assert after["currentServiceDeployment"] != before["currentServiceDeployment"]
    assert (after["platformVersion"], after["taskDefinition"]) == ("1.4.0", before["taskDefinition"])
    assert sent(change) == {"cluster": "prod", "service": "checkout-api", "platformVersion": "1.4.0"}


def test_capacity_providers_go_with_a_forced_deployment_once(dev_rig: Rig) -> None:
    strategy = [{"capacityProvider": "FARGATE", "weight": 1}]
    attached = {"capacityProviders": ["FARGATE"], "defaultCapacityProviderStrategy": []}
    dev_rig.call("PutClusterCapacityProviders", cluster="prod", **attached)
    with pytest.raises(InvalidSpec) as caught:
        dev_rig.plan("deploy", {"service": {"capacityProviderStrategy": strategy}})
    assert "service.forceNewDeployment" in caught.value.errors
    spec = {"service": {"capacityProviderStrategy": strategy, "forceNewDeployment": True}}
    change = dev_rig.ask("deploy", spec)
    dev_rig.around = loses_answer(UPDATE, happened=True)
    change = dev_rig.until(change)
    assert (change.state, dev_rig.calls) == (State.SUCCEEDED, [UPDATE]), change.outcome
    assert dev_rig.facts()["capacityProviderStrategy"] == [
        {"capacityProvider": "FARGATE", "weight": 1, "base": 0}
    ]


def test_a_service_that_has_the_settings_already_is_refused(dev_rig: Rig) -> None:
    with pytest.raises(ChangeRefused, match="is what PRIMARY runs already"):
        dev_rig.ask("deploy", {"service": {"deploymentConfiguration": {"strategy": "ROLLING"}}})


def test_forcing_alone_is_a_restart(dev_rig: Rig) -> None:
    with pytest.raises(InvalidSpec, match="ask for a restart"):
        dev_rig.plan("deploy", {"service": {"forceNewDeployment": True}})


def test_settings_left_over_when_a_turn_comes_are_what_decides(dev_rig: Rig) -> None:
    first = dev_rig.deploy("v2")
    asked = {**image_spec("v2"), "service": {"enableExecuteCommand": True}}
    change = dev_rig.ask("deploy", asked, terms=Terms(if_busy=IfBusy.QUEUE))
    dev_rig.until(first)
    dev_rig.sync()
    change = dev_rig.until(fresh(change))
    assert change.state == State.SUCCEEDED, change.outcome
    assert "as they were asked for" in change.outcome
    assert dev_rig.facts()["enableExecuteCommand"] is True
