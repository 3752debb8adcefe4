"""Reads of CloudWatch alarms by name."""

from __future__ import annotations

from collections.abc import Sequence

from aws.calls import read
from aws.scope import Scope

NAMES_PER_CALL = 100


def alarm_states(scope: Scope, names: Sequence[str]) -> dict[str, str]:
    """Return the states of those of at most 100 alarms that are there. IAM: cloudwatch:DescribeAlarms."""
    answer = read(
        scope,
        "cloudwatch",
        "describe_alarms",
        AlarmNames=list(names[:NAMES_PER_CALL]),
        AlarmTypes=["MetricAlarm", "CompositeAlarm"],
        MaxRecords=NAMES_PER_CALL,
    )
    found = [*(answer.get("MetricAlarms") or []), *(answer.get("CompositeAlarms") or [])]
    return {str(item.get("AlarmName", "")): str(item.get("StateValue", "")) for item in found}
