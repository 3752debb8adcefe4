"""Nothing at all: one account to build in, and the hub that may assume its roles."""

from __future__ import annotations

from sandbox.identity import Role
from sandbox.scenarios.stage import READ_ONLY, Stage

ACCOUNT_ID = "123456789012"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT_ID}:role/sandbox-operator"
READ_ROLE_ARN = f"arn:aws:iam::{ACCOUNT_ID}:role/sandbox-reader"
EXTERNAL_ID = "sandbox-external-id"
ACCOUNT = {
    "id": ACCOUNT_ID,
    "name": "empty",
    "environment": "development",
    "regions": ["us-east-1"],
    "read_role_arn": READ_ROLE_ARN,
    "deploy_role_arn": ROLE_ARN,
    "external_id": EXTERNAL_ID,
}


def load(stage: Stage) -> None:
    stage.identity.add_account(ACCOUNT_ID)
    stage.identity.add_role(Role(ROLE_ARN, EXTERNAL_ID))
    stage.identity.add_role(Role(READ_ROLE_ARN, EXTERNAL_ID, READ_ONLY))
