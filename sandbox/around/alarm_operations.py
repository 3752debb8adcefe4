"""The CloudWatch operations on alarms."""

from __future__ import annotations

from typing import Any

from sandbox.around.alarms import COMPARISONS, Alarm
from sandbox.around.metrics import metric_of
from sandbox.around.registry import Ask, Document, answers
from sandbox.ports import ApiError

DEFAULT_PAGE, MAX_PAGE = 50, 100


@answers("cloudwatch", "PutMetricAlarm")
def put_metric_alarm(ask: Ask, params: Document) -> Document:
    """Create or change an alarm on one metric or on a metric-math expression."""
    if params["ComparisonOperator"] not in COMPARISONS:
        raise ApiError("ValidationError", "Anomaly detection alarms are not implemented in this sandbox.")
    if bool(params.get("MetricName")) == bool(params.get("Metrics")):
        raise ApiError("ValidationError", "Exactly one of MetricName and Metrics must be specified.")
    if params.get("MetricName") and not (params.get("Statistic") or params.get("ExtendedStatistic")):
        raise ApiError("ValidationError", "Either Statistic or ExtendedStatistic must be specified.")
    if params.get("Threshold") is None:
        raise ApiError("ValidationError", "The parameter Threshold is required.")
    if int(params.get("DatapointsToAlarm") or 1) > int(params["EvaluationPeriods"]):
        raise ApiError("ValidationError", "DatapointsToAlarm must not be greater than EvaluationPeriods.")
    ask.around.alarms.check(ask.place, params)
    ask.around.alarms.put(ask.place, params)
    ask.around.wake()
    return {}


@answers("cloudwatch", "PutCompositeAlarm")
def put_composite_alarm(ask: Ask, params: Document) -> Document:
    raise ApiError("InvalidAction", "PutCompositeAlarm is not implemented in this sandbox.")


@answers("cloudwatch", "DescribeAlarms")
def describe_alarms(ask: Ask, params: Document) -> Document:
    """List alarms by names, prefix, state or action, fifty a page."""
    size = int(params.get("MaxRecords") or DEFAULT_PAGE)
    if not 1 <= size <= MAX_PAGE:
        raise ApiError("ValidationError", f"MaxRecords must be between 1 and {MAX_PAGE}.")
    names, prefix = params.get("AlarmNames"), params.get("AlarmNamePrefix")
    if names and prefix:
        raise ApiError("ValidationError", "AlarmNames and AlarmNamePrefix can not be specified together.")
    if "MetricAlarm" not in (params.get("AlarmTypes") or ["MetricAlarm"]):
        return {"MetricAlarms": [], "CompositeAlarms": []}
    found = [
        alarm
        for name, alarm in sorted(ask.around.alarms.of(ask.place).items())
        if (not names or name in names)
        and name.startswith(prefix or "")
        and params.get("StateValue") in (None, alarm.state)
        and any(item.startswith(params.get("ActionPrefix") or "") for item in [*_all_actions(alarm), ""])
    ]
    if params.get("ActionPrefix"):
        found = [
            alarm
            for alarm in found
            if any(item.startswith(params["ActionPrefix"]) for item in _all_actions(alarm))
        ]
    chosen, token = ask.around.pages.cut(
        found, params.get("NextToken"), size, label=f"alarms {names} {prefix}", code="InvalidNextToken"
    )
    return {"MetricAlarms": [_shown(alarm) for alarm in chosen], "CompositeAlarms": [], "NextToken": token}


def _all_actions(alarm: Alarm) -> list[str]:
    names = ("AlarmActions", "OKActions", "InsufficientDataActions")
    return [item for name in names for item in alarm.config.get(name) or []]


@answers("cloudwatch", "DescribeAlarmsForMetric")
def describe_alarms_for_metric(ask: Ask, params: Document) -> Document:
    """List the alarms that watch one metric."""
    wanted = metric_of(params)
    found = [
        alarm
        for alarm in ask.around.alarms.of(ask.place).values()
        if alarm.config.get("MetricName") and metric_of(alarm.config) == wanted
    ]
    return {"MetricAlarms": [_shown(alarm) for alarm in found]}


@answers("cloudwatch", "DescribeAlarmHistory")
def describe_alarm_history(ask: Ask, params: Document) -> Document:
    """List what happened to one alarm or to all, newest first unless asked otherwise."""
    alarms = ask.around.alarms.of(ask.place).values()
    rows = [
        (item.at, alarm.name, item)
        for alarm in alarms
        if params.get("AlarmName") in (None, alarm.name)
        for item in alarm.history
        if params.get("HistoryItemType") in (None, item.kind)
        and (params.get("StartDate") is None or item.at >= params["StartDate"])
        and (params.get("EndDate") is None or item.at <= params["EndDate"])
    ]
    rows.sort(key=lambda row: row[0], reverse=params.get("ScanBy") != "TimestampAscending")
    chosen, token = ask.around.pages.cut(
        rows,
        params.get("NextToken"),
        min(int(params.get("MaxRecords") or MAX_PAGE), MAX_PAGE),
        label=f"alarm-history {params.get('AlarmName')}",
        code="InvalidNextToken",
    )
    items = [
        {
            "AlarmName": name,
            "AlarmType": "MetricAlarm",
            "Timestamp": at,
            "HistoryItemType": item.kind,
            "HistorySummary": item.summary,
            "HistoryData": item.data,
        }
        for at, name, item in chosen
    ]
    return {"AlarmHistoryItems": items, "NextToken": token}


@answers("cloudwatch", "SetAlarmState")
def set_alarm_state(ask: Ask, params: Document) -> Document:
    """Put an alarm into a state until its next evaluation."""
    alarm = _find(ask, params["AlarmName"])
    ask.around.alarms.set_state(
        ask.place, alarm, params["StateValue"], params["StateReason"], params.get("StateReasonData") or ""
    )
    return {}


@answers("cloudwatch", "DeleteAlarms")
def delete_alarms(ask: Ask, params: Document) -> Document:
    names = params["AlarmNames"]
    if len(names) > 1:
        for name in names:
            _find(ask, name)
    for name in names:
        ask.around.alarms.delete(ask.place, name)
    return {}


@answers("cloudwatch", "EnableAlarmActions")
def enable_alarm_actions(ask: Ask, params: Document) -> Document:
    return _switch(ask, params, on=True)


@answers("cloudwatch", "DisableAlarmActions")
def disable_alarm_actions(ask: Ask, params: Document) -> Document:
    return _switch(ask, params, on=False)


def _switch(ask: Ask, params: Document, *, on: bool) -> Document:
    for name in params["AlarmNames"]:
        alarm = ask.around.alarms.of(ask.place).get(name)
        if alarm:
            alarm.config = {**alarm.config, "ActionsEnabled": on}
    return {}


def _find(ask: Ask, name: str) -> Alarm:
    alarm = ask.around.alarms.of(ask.place).get(name)
    if alarm is None:
        raise ApiError("ResourceNotFound", f"Unknown alarm: {name}", status=404)
    return alarm


_LISTS = ("OKActions", "AlarmActions", "InsufficientDataActions", "Dimensions")


def _shown(alarm: Alarm) -> Document:
    config: dict[str, Any] = {name: value for name, value in alarm.config.items() if name != "Tags"}
    config["ActionsEnabled"] = config.get("ActionsEnabled") is not False
    for name in _LISTS:
        config.setdefault(name, [])
    return {
        **config,
        "AlarmArn": alarm.arn,
        "AlarmConfigurationUpdatedTimestamp": alarm.configured_at,
        "StateValue": alarm.state,
        "StateReason": alarm.reason,
        "StateReasonData": alarm.reason_data or None,
        "StateUpdatedTimestamp": alarm.updated_at,
        "StateTransitionedTimestamp": alarm.transitioned_at,
    }
