from __future__ import annotations

from sandbox.calls import CallRecord, Calls


def record(operation: str, *, account: str = "1", region: str = "us-east-1", error: str = "") -> CallRecord:
    return CallRecord(0.0, "ecs", operation, account, region, "arn", "u-1", 400 if error else 200, error, 1.0)


def test_counts_by_operation_account_region_and_error() -> None:
    calls = Calls()
    for item in (
        record("ListTasks"),
        record("ListTasks", region="eu-west-1"),
        record("ListTasks", account="2", error="ThrottlingException"),
        record("DescribeTasks"),
    ):
        calls.add(item)
    assert calls.count() == 4
    assert calls.count("ListTasks") == 3
    assert calls.count("ListTasks", region="us-east-1") == 2
    assert calls.count("ListTasks", account_id="2") == 1
    assert calls.count(error="ThrottlingException") == 1
    assert calls.count("DescribeTasks", error="ThrottlingException") == 0


def test_report_names_everything() -> None:
    calls = Calls()
    calls.add(record("ListTasks", error="ThrottlingException"))
    report = calls.report()
    place = {"service": "ecs", "operation": "ListTasks", "account": "1", "region": "us-east-1", "count": 1}
    assert report["total"] == 1
    assert report["operations"] == {"ecs:ListTasks": 1}
    assert report["counts"] == [place]
    assert report["errors"] == [place | {"error": "ThrottlingException"}]
    assert report["recent"][0]["source_identity"] == "u-1"


def test_only_the_newest_are_remembered_and_all_are_counted() -> None:
    calls = Calls(keep=3)
    for number in range(10):
        calls.add(record(f"Op{number}"))
    assert [item.operation for item in calls.recent()] == ["Op7", "Op8", "Op9"]
    assert calls.count() == 10
    calls.reset()
    assert calls.count() == 0
    assert calls.recent() == []
