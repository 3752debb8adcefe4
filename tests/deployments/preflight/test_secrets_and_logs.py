"""Secrets, parameters and log groups that the containers need."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from deployments.plans import OK, REFUSE, WARN
from deployments.preflight.secrets import parse
from sandbox.scenarios.empty import ACCOUNT_ID
from tests.deployments.preflight.world import Definition, check, definition, with_secret
from tests.deployments.rig import REGION, Rig


def test_a_secret_that_is_there_passes_with_key_and_stage(shop: Rig) -> None:
    arn = shop.sandbox.surroundings.create_secret(ACCOUNT_ID, REGION, "db", "made up")
    assert check(shop, "secret-app-DB", with_secret(arn))[0] == OK
    level, text = check(shop, "secret-app-DB", with_secret(f"{arn}:password:AWSCURRENT:"))
    assert (level, "key password is not looked at" in text) == (OK, True)
    level, text = check(shop, "secret-app-DB", with_secret(f"{arn}:password:NEXT:"))
    assert (level, "no version of stage NEXT" in text) == (REFUSE, True)


def test_a_secret_that_is_missing_or_marked_for_deletion_is_refused(
    shop: Rig, client: Callable[[str], Any]
) -> None:
    missing = f"arn:aws:secretsmanager:{REGION}:{ACCOUNT_ID}:secret:none-AbCdEf"
    assert check(shop, "secret-app-DB", with_secret(missing))[0] == REFUSE
    arn = shop.sandbox.surroundings.create_secret(ACCOUNT_ID, REGION, "db", "made up")
    client("secretsmanager").delete_secret(SecretId=arn, RecoveryWindowInDays=7)
    level, text = check(shop, "secret-app-DB", with_secret(arn))
    assert (level, "marked for deletion" in text) == (REFUSE, True)


def test_a_parameter_is_found_by_name_and_by_arn(shop: Rig) -> None:
    arn = shop.sandbox.surroundings.create_parameter(ACCOUNT_ID, REGION, "/shop/db", "made up")
    for value_from in ("/shop/db", arn):
        assert check(shop, "secret-app-DB", with_secret(value_from))[0] == OK
    assert check(shop, "secret-app-DB", with_secret("/shop/none"))[0] == REFUSE
    elsewhere = f"arn:aws:ssm:{REGION}:999988887777:parameter/shop/db"
    assert check(shop, "secret-app-DB", with_secret(elsewhere))[0] == WARN


def test_what_is_no_reference_is_refused(shop: Rig) -> None:
    assert check(shop, "secret-app-DB", with_secret("arn:aws:s3:::bucket/key"))[0] == REFUSE
    assert parse("") is None


def with_logs(**options: str) -> Definition:
    given = {"awslogs-group": "/ecs/none", "awslogs-region": REGION, "awslogs-stream-prefix": "ecs"}
    options = {name.replace("_", "-"): value for name, value in options.items()}
    return definition(
        container={"logConfiguration": {"logDriver": "awslogs", "options": {**given, **options}}}
    )


def test_a_log_group_that_is_missing_is_refused_unless_it_is_made(shop: Rig) -> None:
    assert check(shop, "log-group-app", with_logs())[0] == REFUSE
    level, text = check(shop, "log-group-app", with_logs(awslogs_create_group="true"))
    assert (level, "logs:CreateLogGroup" in text) == (WARN, True)


def test_a_log_group_of_no_region_is_refused(shop: Rig) -> None:
    level, text = check(shop, "log-group-app", with_logs(awslogs_region="mars-north-1"))
    assert (level, "mars-north-1" in text) == (REFUSE, True)


def test_a_container_without_logging_is_warned_of(shop: Rig) -> None:
    silent = definition(container={"logConfiguration": None})
    assert check(shop, "log-configuration", silent)[0] == WARN
