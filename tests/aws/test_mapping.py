from __future__ import annotations

import pytest
from botocore import exceptions as boto

from aws.errors import (
    AwsAccessDenied,
    AwsConflict,
    AwsCredentials,
    AwsError,
    AwsExpired,
    AwsNotFound,
    AwsOutcomeUnknown,
    AwsRefused,
    AwsThrottled,
    AwsUnreachable,
)
from aws.mapping import map_error


def answered(code: str, status: int = 400, operation: str = "UpdateService") -> boto.ClientError:
    response = {
        "Error": {"Code": code, "Message": "AWS says so."},
        "ResponseMetadata": {"RequestId": "r-1", "HTTPStatusCode": status},
    }
    return boto.ClientError(response, operation)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("ThrottlingException", AwsThrottled),
        ("AccessDeniedException", AwsAccessDenied),
        ("ExpiredTokenException", AwsExpired),
        ("UnrecognizedClientException", AwsCredentials),
        ("ServiceNotFoundException", AwsNotFound),
        ("ServiceNotActiveException", AwsNotFound),
        ("ClusterNotFoundException", AwsNotFound),
        ("ConflictException", AwsConflict),
        ("ClientException", AwsRefused),
        ("InvalidParameterException", AwsRefused),
    ],
)
@pytest.mark.parametrize("is_mutation", [False, True])
def test_an_answer_becomes_the_error_of_its_code(code: str, kind: type[AwsError], is_mutation: bool) -> None:
    error = map_error(answered(code), "ecs:UpdateService", is_mutation=is_mutation)
    assert type(error) is kind
    assert (error.action, error.code, error.request_id) == ("ecs:UpdateService", code, "r-1")
    assert error.hint
    assert str(error) == f"ecs:UpdateService ({code}) failed: AWS says so."


def test_a_broken_server_leaves_a_read_unanswered_and_a_mutation_unknown() -> None:
    error = answered("ServerException", 500)
    assert type(map_error(error, "ecs:DescribeServices")) is AwsUnreachable
    assert type(map_error(error, "ecs:UpdateService", is_mutation=True)) is AwsOutcomeUnknown


SENT = [
    boto.ReadTimeoutError(endpoint_url="https://ecs"),
    boto.ConnectionClosedError(endpoint_url="https://ecs"),
    boto.HTTPClientError(error="reset"),
]
NOT_SENT = [
    boto.ConnectTimeoutError(endpoint_url="https://ecs"),
    boto.EndpointConnectionError(endpoint_url="https://ecs"),
]


@pytest.mark.parametrize("error", SENT, ids=lambda error: type(error).__name__)
def test_a_mutation_whose_answer_was_lost_may_have_happened(error: Exception) -> None:
    assert type(map_error(error, "ecs:UpdateService", is_mutation=True)) is AwsOutcomeUnknown
    assert type(map_error(error, "ecs:DescribeServices")) is AwsUnreachable


@pytest.mark.parametrize("error", NOT_SENT, ids=lambda error: type(error).__name__)
def test_a_mutation_that_was_never_sent_has_not_happened(error: Exception) -> None:
    assert type(map_error(error, "ecs:UpdateService", is_mutation=True)) is AwsUnreachable


def test_a_refused_role_is_a_matter_of_credentials_and_names_the_trust_policy() -> None:
    error = map_error(answered("AccessDenied", 403, "AssumeRole"), "ecs:UpdateService", is_mutation=True)
    assert type(error) is AwsCredentials
    assert error.action == "sts:AssumeRole"
    assert "trust policy" in error.hint


def test_missing_credentials_and_wrong_parameters() -> None:
    assert type(map_error(boto.NoCredentialsError(), "ecs:ListClusters")) is AwsCredentials
    wrong = boto.ParamValidationError(report="cluster is missing")
    assert type(map_error(wrong, "ecs:UpdateService", is_mutation=True)) is AwsRefused


def test_an_error_of_ours_passes_through() -> None:
    error = AwsThrottled("no token", action="ecs:ListTasks")
    assert map_error(error, "ecs:DescribeTasks") is error
