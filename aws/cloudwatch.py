"""Reads of CloudWatch metrics."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from aws.calls import in_batches, read
from aws.scope import Scope

QUERIES_PER_CALL = 500
Points = list[tuple[datetime, float]]


@dataclass(frozen=True, slots=True)
class Query:
    """One metric with one statistic; `id` begins with a lower-case letter."""

    id: str
    namespace: str
    metric: str
    dimensions: Mapping[str, str] = field(default_factory=dict)
    statistic: str = "Average"
    period: int = 60


def metric_data(scope: Scope, queries: Sequence[Query], start: datetime, end: datetime) -> dict[str, Points]:
    """Return the points of metrics by query id, oldest first; none where there are none. IAM: cloudwatch:GetMetricData."""
    found: dict[str, Points] = {query.id: [] for query in queries}
    for batch in in_batches(queries, QUERIES_PER_CALL):
        asked = [query_document(query) for query in batch]
        token = ""
        while True:
            paging = {"NextToken": token} if token else {}
            page = read(
                scope,
                "cloudwatch",
                "get_metric_data",
                MetricDataQueries=asked,
                StartTime=start,
                EndTime=end,
                ScanBy="TimestampAscending",
                **paging,
            )
            for result in page.get("MetricDataResults", []):
                found[result["Id"]] += zip(result["Timestamps"], result["Values"], strict=True)
            token = page.get("NextToken") or ""
            if not token:
                break
    return found


def query_document(query: Query) -> dict[str, Any]:
    dimensions = [{"Name": name, "Value": value} for name, value in query.dimensions.items()]
    metric = {"Namespace": query.namespace, "MetricName": query.metric, "Dimensions": dimensions}
    return {
        "Id": query.id,
        "MetricStat": {"Metric": metric, "Period": query.period, "Stat": query.statistic},
    }
