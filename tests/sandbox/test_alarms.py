from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError

from sandbox.scenarios.empty import ACCOUNT_ID
from sandbox.server import SandboxServer
from tests.sandbox.clients import client, code_of
from tests.sandbox.shop import Shop


@pytest.fixture
def shop(sandbox: SandboxServer) -> Shop:
    return Shop(sandbox)


def put(shop: Shop, name: str = "orders", **more: Any) -> None:
    asked = {
        "AlarmName": name,
        "Namespace": "Shop",
        "MetricName": "OrdersFailed",
        "Statistic": "Sum",
        "Period": 60,
        "EvaluationPeriods": 2,
        "Threshold": 10.0,
        "ComparisonOperator": "GreaterThanThreshold",
        **more,
    }
    given = {key: value for key, value in asked.items() if value is not None}
    client(shop.server, "cloudwatch").put_metric_alarm(**given)


def measure(shop: Shop, value: float, minutes: int = 1) -> None:
    """Put a value into each of the next minutes and let them pass."""
    for _ in range(minutes):
        client(shop.server, "cloudwatch").put_metric_data(
            Namespace="Shop",
            MetricData=[{"MetricName": "OrdersFailed", "Value": value, "Timestamp": shop.server.world.now}],
        )
        shop.advance(60)


def alarm(shop: Shop, name: str = "orders") -> dict[str, Any]:
    found: dict[str, Any] = client(shop.server, "cloudwatch").describe_alarms(AlarmNames=[name])[
        "MetricAlarms"
    ][0]
    return found


def test_an_alarm_begins_unchecked_and_says_when_data_is_missing(shop: Shop) -> None:
    put(shop)
    assert alarm(shop)["StateValue"] == "INSUFFICIENT_DATA"
    assert alarm(shop)["StateReason"] == "Unchecked: Initial alarm creation"
    shop.advance(61)
    assert alarm(shop)["StateReason"] == "Insufficient Data: 2 datapoints were unknown."


def test_an_alarm_goes_off_after_its_periods_and_calms_down_again(shop: Shop) -> None:
    put(shop)
    measure(shop, 3, minutes=2)
    assert alarm(shop)["StateValue"] == "OK"
    measure(shop, 50)
    assert alarm(shop)["StateValue"] == "OK"
    measure(shop, 50)
    found = alarm(shop)
    assert found["StateValue"] == "ALARM"
    assert found["StateReason"].startswith("Threshold Crossed: 2 out of the last 2 datapoints [50.0 (")
    assert found["StateReason"].endswith(
        "were greater than the threshold (10.0) (minimum 2 datapoints for OK -> ALARM transition)."
    )
    assert shop.server.around.alarms.in_alarm(ACCOUNT_ID, "us-east-1", ["orders", "none"]) == {"orders"}
    measure(shop, 1)
    assert alarm(shop)["StateValue"] == "OK"
    summaries = [
        item["HistorySummary"]
        for item in client(shop.server, "cloudwatch").describe_alarm_history(AlarmName="orders")[
            "AlarmHistoryItems"
        ]
    ]
    assert summaries == [
        "Alarm updated from ALARM to OK",
        "Alarm updated from OK to ALARM",
        "Alarm updated from INSUFFICIENT_DATA to OK",
        'Alarm "orders" created',
    ]


@pytest.mark.parametrize(("treatment", "state"), [("breaching", "ALARM"), ("notBreaching", "OK")])
def test_missing_data_is_treated_as_told(shop: Shop, treatment: str, state: str) -> None:
    put(shop, TreatMissingData=treatment)
    shop.advance(120)
    assert alarm(shop)["StateValue"] == state


def test_an_alarm_may_watch_an_expression(shop: Shop) -> None:
    stat = {"Metric": {"Namespace": "Shop", "MetricName": "OrdersFailed"}, "Period": 60, "Stat": "Sum"}
    client(shop.server, "cloudwatch").put_metric_alarm(
        AlarmName="doubled",
        Metrics=[
            {"Id": "m1", "MetricStat": stat, "ReturnData": False},
            {"Id": "e1", "Expression": "m1 * 2", "ReturnData": True},
        ],
        EvaluationPeriods=1,
        Threshold=10.0,
        ComparisonOperator="GreaterThanThreshold",
    )
    measure(shop, 6)
    assert alarm(shop, "doubled")["StateValue"] == "ALARM"


def test_an_alarm_rolls_the_deployment_back_that_watches_it(shop: Shop) -> None:
    put(shop, EvaluationPeriods=1)
    configuration = {
        "alarms": {"alarmNames": ["orders"], "enable": True, "rollback": True},
        "minimumHealthyPercent": 100,
        "maximumPercent": 200,
    }
    shop.steady("web", 2, deploymentConfiguration=configuration)
    good = shop.service("web")["taskDefinition"]
    shop.ecs.update_service(cluster="prod", service="web", taskDefinition=shop.define("web", "v2"))
    shop.advance(5)
    measure(shop, 99, minutes=2)
    shop.until(lambda: len(shop.service("web")["deployments"]) == 1)
    assert shop.service("web")["taskDefinition"] == good
    brief = shop.ecs.list_service_deployments(cluster="prod", service="web")["serviceDeployments"][0]
    entry = shop.ecs.describe_service_deployments(serviceDeploymentArns=[brief["serviceDeploymentArn"]])[
        "serviceDeployments"
    ][0]
    assert entry["status"] == "ROLLBACK_SUCCESSFUL"
    assert entry["alarms"]["triggeredAlarmNames"] == ["orders"]


def test_a_state_set_by_hand_lasts_until_the_next_evaluation(shop: Shop) -> None:
    put(shop, TreatMissingData="notBreaching")
    shop.advance(60)
    cloudwatch = client(shop.server, "cloudwatch")
    cloudwatch.set_alarm_state(AlarmName="orders", StateValue="ALARM", StateReason="game day")
    assert alarm(shop)["StateReason"] == "game day"
    shop.advance(60)
    assert alarm(shop)["StateValue"] == "OK"
    with pytest.raises(ClientError) as caught:
        cloudwatch.set_alarm_state(AlarmName="none", StateValue="ALARM", StateReason="game day")
    assert code_of(caught) == "ResourceNotFound"


def test_alarms_are_found_by_prefix_state_and_metric_in_pages(shop: Shop) -> None:
    for number in range(5):
        put(shop, f"orders-{number}")
    put(shop, "stock", MetricName="StockMissing")
    cloudwatch = client(shop.server, "cloudwatch")
    pages = list(
        cloudwatch.get_paginator("describe_alarms").paginate(
            AlarmNamePrefix="orders-", PaginationConfig={"PageSize": 2}
        )
    )
    assert [len(page["MetricAlarms"]) for page in pages] == [2, 2, 1]
    assert cloudwatch.describe_alarms(StateValue="ALARM")["MetricAlarms"] == []
    same = cloudwatch.describe_alarms_for_metric(Namespace="Shop", MetricName="StockMissing")["MetricAlarms"]
    assert [item["AlarmName"] for item in same] == ["stock"]
    cloudwatch.delete_alarms(AlarmNames=["stock"])
    assert len(cloudwatch.describe_alarms()["MetricAlarms"]) == 5


@pytest.mark.parametrize(
    "wrong",
    [
        {"ComparisonOperator": "GreaterThanUpperThreshold"},
        {"ComparisonOperator": "Bigger"},
        {"EvaluationPeriods": 1, "DatapointsToAlarm": 2},
        {"Statistic": None, "ExtendedStatistic": "tm90"},
        {"Period": 90},
    ],
)
def test_what_makes_no_alarm_is_refused(shop: Shop, wrong: dict[str, Any]) -> None:
    with pytest.raises(ClientError) as caught:
        put(shop, **wrong)
    assert code_of(caught) == "ValidationError"


def test_an_expression_that_cannot_be_evaluated_is_refused_at_once(shop: Shop) -> None:
    stat = {"Metric": {"Namespace": "Shop", "MetricName": "OrdersFailed"}, "Period": 60, "Stat": "Sum"}
    for metrics in (
        [{"Id": "m1", "MetricStat": stat, "ReturnData": False}, {"Id": "e1", "Expression": "RATE(m1)"}],
        [{"Id": "e1", "Expression": "1 + 1"}],
        [{"Id": "m1", "MetricStat": stat, "ReturnData": False}],
    ):
        with pytest.raises(ClientError) as caught:
            client(shop.server, "cloudwatch").put_metric_alarm(
                AlarmName="rate",
                Metrics=metrics,
                EvaluationPeriods=1,
                Threshold=1.0,
                ComparisonOperator="GreaterThanThreshold",
            )
        assert code_of(caught) == "ValidationError"
