"""Nothing at all: one account to build in, and the hub that may assume its roles."""

from __future__ import annotations

from sandbox.identity import Role
from sandbox.scenarios.stage import READ_ONLY, Stage

ACCOUNT_ID = "123456789012"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT_ID}:role/sandbox-operator"
READ_ROLE_ARN = f"arn:aws:iam::{ACCOUNT_ID}:role/sandbox-reader"
EXTERNAL_ID = "sandbox-external-id"


def load(stage: Stage) -> None:
    stage.add_account(ACCOUNT_ID)
    stage.identity.add_role(Role(ROLE_ARN, EXTERNAL_ID))
    stage.identity.add_role(Role(READ_ROLE_ARN, EXTERNAL_ID, READ_ONLY))
