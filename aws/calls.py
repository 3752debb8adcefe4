"""One call to AWS: a token, the request, our errors; and many calls side by side."""

from __future__ import annotations

import contextvars
import random
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from time import sleep
from typing import Any, TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from botocore.parsers import ResponseParserError

from aws import budget
from aws.errors import AwsCredentials, AwsError, AwsExpired, AwsThrottled, AwsUnreachable
from aws.mapping import map_error
from aws.scope import Scope
from aws.sessions import Identity, reader, sessions

T = TypeVar("T")
R = TypeVar("R")
# An account grants 20 reads a second, so a few threads are enough to hide the network's delay.
PARALLEL = 8
_pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="aws")
FAILURES = (BotoCoreError, ClientError, ResponseParserError, OSError, ValueError)

# A read is tried this often; the poll that needs it comes again by itself.
ATTEMPTS = 3
PASSING = (AwsThrottled, AwsUnreachable, AwsExpired)
# Where IAM names a service otherwise than its client: errors name the action that a policy has to allow.
IAM_NAMES = {"elbv2": "elasticloadbalancing", "service-quotas": "servicequotas"}


def pascal(operation: str) -> str:
    """Return AWS's name of an operation: describe_services is DescribeServices."""
    return "".join(word.capitalize() for word in operation.split("_"))


def read(scope: Scope, service: str, operation: str, /, **params: Any) -> dict[str, Any]:
    """Make one reading call as the scope's reader, again after an error that passes by itself.

    Each attempt takes a token of its own, because AWS counts each: so the SDK is not left to repeat it.
    """
    for attempt in range(1, ATTEMPTS):
        try:
            return call(reader(scope), scope, service, operation, params)
        except PASSING as error:
            if error.code == budget.OWN_BUDGET:
                raise
        sleep(random.uniform(0, 2 ** (attempt - 1)))
    return call(reader(scope), scope, service, operation, params)


def call(
    identity: Identity,
    scope: Scope,
    service: str,
    operation: str,
    params: dict[str, Any],
    *,
    is_write: bool = False,
) -> dict[str, Any]:
    """Make one call; every failure comes out as an AwsError."""
    action = f"{IAM_NAMES.get(service, service)}:{pascal(operation)}"
    budget.current().take(scope.account_id, scope.region, action)
    try:
        client = sessions.client(identity, service, scope.region, is_write=is_write)
        answer: dict[str, Any] = getattr(client, operation)(**params)
    except AwsError as error:
        # Credentials could not be fetched, so the call itself was not made.
        after(error, identity, scope)
        raise
    except FAILURES as error:
        raise after(map_error(error, action, is_mutation=is_write), identity, scope) from error
    return answer


def after(error: AwsError, identity: Identity, scope: Scope) -> AwsError:
    """Draw the consequences of an error for the calls that follow, and return it."""
    if isinstance(error, AwsThrottled):
        budget.current().drain(scope.account_id, scope.region, error.action)
    if isinstance(error, AwsCredentials):
        # Keys that were revoked or rotated stay cached otherwise, and every later call fails with them.
        sessions.forget(identity)
    return error


def read_pages(scope: Scope, service: str, operation: str, member: str, /, **params: Any) -> list[Any]:
    """Read a whole list page by page, a hundred to the page: some of ECS's defaults are ten."""
    found: list[Any] = []
    token = ""
    while True:
        paging = {"nextToken": token} if token else {}
        page = read(scope, service, operation, maxResults=100, **params, **paging)
        found += page.get(member, [])
        token = page.get("nextToken") or ""
        if not token:
            return found


def in_batches(items: Iterable[T], size: int) -> list[list[T]]:
    """Cut a list into pieces of at most this size."""
    listed = list(items)
    return [listed[start : start + size] for start in range(0, len(listed), size)]


def side_by_side(function: Callable[[T], R], items: Sequence[T]) -> list[R]:
    """Apply a function to all items, a few at a time, results in order; the first error is raised.

    Not to be nested: the threads are few, and one that waits for another could wait for ever.
    """
    if len(items) <= 1:
        return [function(item) for item in items]
    contexts = [contextvars.copy_context() for _ in items]
    futures = [
        _pool.submit(context.run, function, item) for context, item in zip(contexts, items, strict=True)
    ]
    try:
        return [future.result() for future in futures]
    finally:
        for future in futures:
            future.cancel()
