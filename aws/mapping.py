"""Turns botocore's exceptions into ours; the only place that knows both."""

from __future__ import annotations

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

THROTTLED = frozenset(
    {
        "Throttling",
        "ThrottlingException",
        "ThrottledException",
        "RequestLimitExceeded",
        "TooManyRequestsException",
        "LimitExceededException",
        "SlowDown",
    }
)
DENIED = frozenset({"AccessDenied", "AccessDeniedException", "UnauthorizedOperation"})
EXPIRED = frozenset({"ExpiredToken", "ExpiredTokenException"})
CREDENTIALS = frozenset(
    {
        "UnrecognizedClientException",
        "InvalidClientTokenId",
        "InvalidSignatureException",
        "SignatureDoesNotMatch",
        "IncompleteSignature",
        "MissingAuthenticationToken",
        "MissingAuthenticationTokenException",
        "OptInRequired",
        "RegionDisabledException",
    }
)
CONFLICTS = frozenset({"ConflictException", "UpdateInProgressException", "ResourceInUseException"})
NO_CREDENTIALS = (
    boto.NoCredentialsError,
    boto.PartialCredentialsError,
    boto.CredentialRetrievalError,
    boto.TokenRetrievalError,
    boto.SSOError,
    boto.ProfileNotFound,
    boto.NoAuthTokenError,
)
# The request did not leave the machine, so even a changing call has surely not happened.
NEVER_SENT = (
    boto.ConnectTimeoutError,
    boto.EndpointConnectionError,
    boto.ProxyConnectionError,
    boto.SSLError,
    boto.NoRegionError,
    boto.UnknownEndpointError,
    boto.InvalidRegionError,
)


def map_error(error: Exception, action: str, *, is_mutation: bool = False) -> AwsError:
    """Return our error for an exception of boto3; `action` is what was asked, like ecs:UpdateService."""
    if isinstance(error, AwsError):
        return error
    if isinstance(error, boto.ClientError):
        return map_answer(error, action, is_mutation=is_mutation)
    code, message = type(error).__name__, str(error)
    if isinstance(error, NO_CREDENTIALS):
        return AwsCredentials(message, action=action, code=code)
    if isinstance(error, boto.ParamValidationError):
        return AwsRefused(message, action=action, code=code)
    if isinstance(error, NEVER_SENT) or not is_mutation:
        return AwsUnreachable(message, action=action, code=code)
    return AwsOutcomeUnknown(message, action=action, code=code)


def map_answer(error: boto.ClientError, action: str, *, is_mutation: bool) -> AwsError:
    """Return our error for an error that AWS answered."""
    details = error.response.get("Error", {})
    metadata = error.response.get("ResponseMetadata", {})
    code = str(details.get("Code") or "Unknown")
    message = str(details.get("Message") or code)
    request_id = str(metadata.get("RequestId") or "")
    status = int(metadata.get("HTTPStatusCode") or 0)
    # Credentials are fetched inside any call, so AssumeRole's refusal surfaces as that call's.
    if error.operation_name == "AssumeRole":
        return assume_role_error(code, message, request_id, status)
    kind = kind_of(code, status, is_mutation=is_mutation)
    hint = f"Allow {action} in the policy of the console's role." if kind is AwsAccessDenied else ""
    return kind(message, action=action, code=code, request_id=request_id, hint=hint)


def assume_role_error(code: str, message: str, request_id: str, status: int) -> AwsError:
    """Return our error for a role that could not be assumed; the call behind it was never made."""
    # What passes by itself is told apart from what a person has to put right.
    found = kind_of(code, status, is_mutation=False)
    kind = found if issubclass(found, (AwsThrottled, AwsExpired, AwsUnreachable)) else AwsCredentials
    hint = ""
    if code in DENIED:
        hint = "Let the role's trust policy name the console's principal, its ExternalId and sts:SetSourceIdentity."
    return kind(message, action="sts:AssumeRole", code=code, request_id=request_id, hint=hint)


def kind_of(code: str, status: int, *, is_mutation: bool) -> type[AwsError]:
    """Return the class of an error by its AWS code, then by its HTTP status."""
    if code in THROTTLED:
        return AwsThrottled
    if code in DENIED:
        return AwsAccessDenied
    if code in EXPIRED:
        return AwsExpired
    if code in CREDENTIALS:
        return AwsCredentials
    if code in CONFLICTS:
        return AwsConflict
    if code.endswith(("NotFoundException", "NotFound", "NotActiveException", "NoSuchEntity")):
        return AwsNotFound
    if status >= 500 or code == "ServerException":
        return AwsOutcomeUnknown if is_mutation else AwsUnreachable
    return AwsRefused
