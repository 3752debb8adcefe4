"""Large quiet fleets to measure with: clusters of mixed sizes in one account, four tasks a service."""

from __future__ import annotations

from sandbox.identity import Role
from sandbox.ports import Caller
from sandbox.scenarios.stage import READ_ONLY, Stage

ACCOUNT_ID = "777788889999"
REGION = "us-east-1"
ROLE_ARN = f"arn:aws:iam::{ACCOUNT_ID}:role/ecsconsole-deploy"
READ_ROLE_ARN = f"arn:aws:iam::{ACCOUNT_ID}:role/ecsconsole-read"
EXTERNAL_ID = "fleet-external-id"
ACCOUNT = {
    "id": ACCOUNT_ID,
    "name": "fleet",
    "environment": "production",
    "regions": [REGION],
    "read_role_arn": READ_ROLE_ARN,
    "deploy_role_arn": ROLE_ARN,
    "external_id": EXTERNAL_ID,
}
SIZES_1000 = (1, 9, 20, 40, 60, 90, 130, 150, 200, 300)
SIZES_5000 = (1, 4, 10, 15, 25, 45, 60, 80, 110, 150, 170, 200, 240, 290, 340, 400, 500, 660, 800, 900)
# Four on average.
_COUNTS = (1, 2, 2, 3, 3, 4, 4, 5, 6, 10)
_FAMILIES = 40


def load_1000(stage: Stage) -> None:
    """1,000 services with 4,000 running tasks in 10 clusters."""
    _load(stage, SIZES_1000)


def load_5000(stage: Stage) -> None:
    """5,000 services with 20,000 running tasks in 20 clusters."""
    _load(stage, SIZES_5000)


def _load(stage: Stage, sizes: tuple[int, ...]) -> None:
    stage.identity.add_account(ACCOUNT_ID)
    stage.identity.add_role(Role(ROLE_ARN, EXTERNAL_ID))
    stage.identity.add_role(Role(READ_ROLE_ARN, EXTERNAL_ID, READ_ONLY))
    # Twenty thousand tasks that log would be a benchmark of the sandbox.
    stage.world.log_interval = None
    definitions = [_register(stage, number) for number in range(_FAMILIES)]
    number = 0
    for position, size in enumerate(sizes):
        cluster = f"fleet-{position:02d}"
        stage.call(ACCOUNT_ID, REGION, "CreateCluster", clusterName=cluster)
        for _ in range(size):
            _create(stage, cluster, number, definitions[number % _FAMILIES])
            number += 1


def _register(stage: Stage, number: int) -> str:
    answer = stage.call(
        ACCOUNT_ID,
        REGION,
        "RegisterTaskDefinition",
        family=f"fleet-app-{number:02d}",
        networkMode="awsvpc",
        requiresCompatibilities=["FARGATE"],
        cpu="256",
        memory="512",
        containerDefinitions=[
            {"name": "app", "image": f"public.ecr.aws/docker/library/nginx:1.27.{number}", "essential": True}
        ],
    )
    return str(answer["taskDefinition"]["taskDefinitionArn"])


def _create(stage: Stage, cluster: str, number: int, definition: str) -> None:
    name = f"service-{number:04d}"
    stage.call(
        ACCOUNT_ID,
        REGION,
        "CreateService",
        cluster=cluster,
        serviceName=name,
        taskDefinition=definition,
        desiredCount=_COUNTS[number % len(_COUNTS)],
        launchType="FARGATE",
        networkConfiguration={"awsvpcConfiguration": {"subnets": ["subnet-0a1b2c3d4e5f60718"]}},
    )
    caller = Caller(ACCOUNT_ID, REGION)
    stage.world.settle(caller, cluster, name, running_since=stage.ago(days=3))
