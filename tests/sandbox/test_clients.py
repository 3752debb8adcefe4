"""Clients that were not written for this sandbox, as people run them, while its time runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sandbox.scenarios.empty import ACCOUNT_ID
from sandbox.server import SandboxServer
from tests.sandbox.clients import client
from tests.sandbox.shop import Shop

BIN = Path(sys.executable).parent
REPOSITORY = f"{ACCOUNT_ID}.dkr.ecr.us-east-1.amazonaws.com"
NETWORK = "awsvpcConfiguration={subnets=[subnet-12345678,subnet-87654321],securityGroups=[sg-12345678]}"


@pytest.fixture(scope="module")
def running() -> Iterator[SandboxServer]:
    with SandboxServer("empty", speed=40, throttle=False) as server:
        yield server


def environment(server: SandboxServer) -> dict[str, str]:
    """Make the account's own user of whoever runs in it, and an AWS of the sandbox."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    return kept | {
        "AWS_ENDPOINT_URL": server.url,
        "AWS_ACCESS_KEY_ID": ACCOUNT_ID,
        "AWS_SECRET_ACCESS_KEY": "any",
        "AWS_DEFAULT_REGION": "us-east-1",
        "AWS_PAGER": "",
        "AWS_CONFIG_FILE": "/nonexistent",
        "AWS_SHARED_CREDENTIALS_FILE": "/nonexistent",
        "LC_ALL": "C.UTF-8",
    }


class AwsCli:
    """The AWS CLI as a process of its own."""

    def __init__(self, server: SandboxServer, folder: Path) -> None:
        self.folder = folder
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).parent / "aws_cli.py")],
            env=environment(server),
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __call__(self, *words: str) -> Any:
        """Run a command, which must succeed, and return what it printed, read as JSON where it is that."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(json.dumps(words) + "\n")
        self.process.stdin.flush()
        code, printed, said = json.loads(self.process.stdout.readline())
        assert code == 0, f"aws {' '.join(words[:2])}: {said}"
        try:
            return json.loads(printed or "null")
        except ValueError:
            return printed.strip()


@pytest.fixture(scope="module")
def aws(running: SandboxServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[AwsCli]:
    cli = AwsCli(running, tmp_path_factory.mktemp("cli"))
    yield cli
    cli.process.communicate(timeout=10)


def ecs_deploy(server: SandboxServer, *words: str) -> subprocess.CompletedProcess[str]:
    """Run `ecs` of the package ecs-deploy."""
    return subprocess.run(
        [str(BIN / "ecs"), *words],
        env=environment(server),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


# The task definition of the cheat sheet.
WEB_APP: dict[str, Any] = {
    "family": "web-app",
    "networkMode": "awsvpc",
    "requiresCompatibilities": ["FARGATE"],
    "cpu": "256",
    "memory": "512",
    "executionRoleArn": f"arn:aws:iam::{ACCOUNT_ID}:role/ecsTaskExecutionRole",
    "taskRoleArn": f"arn:aws:iam::{ACCOUNT_ID}:role/ecsTaskRole",
    "containerDefinitions": [
        {
            "name": "web",
            "image": f"{REPOSITORY}/my-app:latest",
            "portMappings": [{"containerPort": 8080, "protocol": "tcp"}],
            "environment": [{"name": "NODE_ENV", "value": "production"}],
            "secrets": [
                {
                    "name": "DB_PASSWORD",
                    "valueFrom": f"arn:aws:secretsmanager:us-east-1:{ACCOUNT_ID}:secret:db-password",
                }
            ],
            "logConfiguration": {
                "logDriver": "awslogs",
                "options": {
                    "awslogs-group": "/ecs/web-app",
                    "awslogs-region": "us-east-1",
                    "awslogs-stream-prefix": "ecs",
                },
            },
            "healthCheck": {
                "command": ["CMD-SHELL", "curl -f http://localhost:8080/health || exit 1"],
                "interval": 30,
                "timeout": 5,
                "retries": 3,
                "startPeriod": 60,
            },
        }
    ],
}


def test_every_command_of_a_common_cheat_sheet_works(running: SandboxServer, aws: AwsCli) -> None:
    def ecs(*words: str) -> Any:
        return aws("ecs", *words)

    cluster, service = ("--cluster", "my-cluster"), ("--service", "web-service")
    client(running, "secretsmanager").create_secret(Name="db-password", SecretString="any")
    client(running, "logs").create_log_group(logGroupName="/ecs/web-app")
    strategy = [f"capacityProvider={name},weight=1" for name in ("FARGATE", "FARGATE_SPOT")]
    ecs("create-cluster", "--cluster-name", "plain")
    ecs(
        *("create-cluster", "--cluster-name", "my-cluster"),
        *("--capacity-providers", "FARGATE", "FARGATE_SPOT"),
        *("--default-capacity-provider-strategy", *strategy),
    )
    (aws.folder / "task-definition.json").write_text(json.dumps(WEB_APP))
    register = ("register-task-definition", "--cli-input-json", "file://task-definition.json")
    ecs(*register)
    target = f"arn:aws:elasticloadbalancing:us-east-1:{ACCOUNT_ID}:targetgroup/web-tg/1234567890123456"
    ecs(
        *("create-service", *cluster, "--service-name", "web-service", "--task-definition", "web-app:1"),
        *("--desired-count", "2", "--launch-type", "FARGATE", "--network-configuration", NETWORK),
        *("--load-balancers", f"targetGroupArn={target},containerName=web,containerPort=8080"),
        *("--health-check-grace-period-seconds", "60"),
    )
    batch = {**WEB_APP, "family": "my-batch-job"}
    (aws.folder / "batch.json").write_text(json.dumps(batch))
    ecs("register-task-definition", "--cli-input-json", "file://batch.json")
    one = ecs(
        *("run-task", *cluster, "--task-definition", "my-batch-job:1", "--launch-type", "FARGATE"),
        *("--network-configuration", NETWORK.replace("]}", "],assignPublicIp=ENABLED}")),
    )["tasks"][0]["taskArn"]
    ecs("wait", "services-stable", *cluster, "--services", "web-service")
    ecs("wait", "tasks-running", *cluster, "--tasks", one)
    ecs(*register)
    update = ("update-service", *cluster, *service)
    deployed = ecs(*update, "--task-definition", "web-app:2", "--force-new-deployment")["service"]
    assert deployed["deployments"][0]["taskDefinition"].endswith("web-app:2")
    scaling(aws)
    breaker = json.dumps({"deploymentCircuitBreaker": {"enable": True, "rollback": True}})
    changed = ecs(*update, "--deployment-configuration", breaker)["service"]
    assert changed["deploymentConfiguration"]["deploymentCircuitBreaker"]["rollback"] is True
    look_around(aws, one)
    running.world.advance(400)
    clean_up(running, aws)


def scaling(aws: AwsCli) -> None:
    """Register the sheet's scalable target and its target tracking policy."""
    what = (
        *("--service-namespace", "ecs", "--resource-id", "service/my-cluster/web-service"),
        *("--scalable-dimension", "ecs:service:DesiredCount"),
    )
    autoscaling = "application-autoscaling"
    aws(autoscaling, "register-scalable-target", *what, "--min-capacity", "2", "--max-capacity", "10")
    tracking = {
        "TargetValue": 70.0,
        "PredefinedMetricSpecification": {"PredefinedMetricType": "ECSServiceAverageCPUUtilization"},
        "ScaleOutCooldown": 60,
        "ScaleInCooldown": 120,
    }
    aws(
        *(autoscaling, "put-scaling-policy", *what, "--policy-name", "cpu-target-tracking"),
        *("--policy-type", "TargetTrackingScaling"),
        *("--target-tracking-scaling-policy-configuration", json.dumps(tracking)),
    )


def look_around(aws: AwsCli, task: str) -> None:
    """Run the sheet's commands for looking at things and for troubleshooting."""
    cluster = ("--cluster", "my-cluster")
    services = ("--services", "web-service")
    assert aws("ecs", "describe-clusters", "--clusters", "my-cluster")["clusters"]
    assert len(aws("ecs", "list-clusters")["clusterArns"]) >= 2
    shown = aws("ecs", "describe-task-definition", "--task-definition", "web-app")
    assert shown["taskDefinition"]["revision"] == 2
    assert aws("ecs", "list-task-definitions", "--family-prefix", "web-app")["taskDefinitionArns"]
    assert aws("ecs", "list-tasks", *cluster)["taskArns"]
    stopped = aws("ecs", "stop-task", *cluster, "--task", task)["task"]
    assert stopped["desiredStatus"] == "STOPPED"
    aws("ecs", "wait", "tasks-stopped", *cluster, "--tasks", task)
    query = ("--query", "taskArns[0]", "--output", "text")
    listed = aws("ecs", "list-tasks", *cluster, "--desired-status", "STOPPED", *query)
    assert aws("ecs", "describe-tasks", *cluster, "--tasks", listed)["tasks"]
    codes = "tasks[0].containers[0].{reason:reason,exitCode:exitCode}"
    ended = aws("ecs", "describe-tasks", *cluster, "--tasks", task, "--query", codes)
    assert ended["exitCode"] in (0, 143)
    stream = f"ecs/web/{task.rsplit('/', 1)[1]}"
    lines = aws(
        *("logs", "get-log-events", "--log-group-name", "/ecs/web-app", "--log-stream-name", stream),
    )
    assert "starting" in lines["events"][0]["message"]
    for part in ("services[0].deployments", "services[0].events[:5]"):
        assert aws("ecs", "describe-services", *cluster, *services, "--query", part)


def clean_up(server: SandboxServer, aws: AwsCli) -> None:
    """Run the sheet's commands that end things, and wait for the service to be gone."""
    cluster = ("--cluster", "my-cluster")
    aws("ecs", "deregister-task-definition", "--task-definition", "web-app:1")
    aws("ecs", "delete-service", *cluster, "--service", "web-service", "--force")
    # AWS's five minutes of draining, which the waiter would poll through four times a minute.
    server.world.advance(400)
    aws("ecs", "wait", "services-inactive", *cluster, "--services", "web-service")
    aws("ecs", "delete-cluster", "--cluster", "my-cluster")
    shown = aws("ecs", "describe-clusters", "--clusters", "my-cluster")["clusters"]
    assert shown[0]["status"] == "INACTIVE"


@pytest.fixture(scope="module")
def shop(running: SandboxServer) -> Shop:
    shop = Shop(running)
    shop.serve("api", 2)
    waiter = shop.ecs.get_waiter("services_stable")
    waiter.wait(cluster="prod", services=["api"], WaiterConfig={"Delay": 1, "MaxAttempts": 60})
    return shop


def tag_of(shop: Shop) -> str:
    arn = shop.service("api")["taskDefinition"]
    definition = shop.ecs.describe_task_definition(taskDefinition=arn)["taskDefinition"]
    return str(definition["containerDefinitions"][0]["image"].rsplit(":", 1)[1])


def test_ecs_deploy_deploys_and_scales(running: SandboxServer, shop: Shop) -> None:
    deployed = ecs_deploy(
        running, "deploy", "prod", "api", "-t", "v2", "--timeout", "60", "--sleep-time", "1"
    )
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    assert "Deployment successful" in deployed.stdout
    assert tag_of(shop) == "v2"
    scaled = ecs_deploy(running, "scale", "prod", "api", "3", "--timeout", "60", "--sleep-time", "1")
    assert scaled.returncode == 0, scaled.stdout + scaled.stderr
    assert shop.service("api")["runningCount"] == 3


def test_ecs_deploy_rolls_a_broken_image_back(running: SandboxServer, shop: Shop) -> None:
    before = tag_of(shop)
    failed = ecs_deploy(
        running,
        "deploy",
        "prod",
        "api",
        "-t",
        "v3-missing",
        "--timeout",
        "6",
        "--rollback",
        "--sleep-time",
        "1",
    )
    assert failed.returncode != 0
    assert "Rolling back" in failed.stdout + failed.stderr
    assert tag_of(shop) == before


def test_ecs_deploy_runs_a_task_and_compares_revisions(running: SandboxServer, shop: Shop) -> None:
    ran = ecs_deploy(
        running,
        *("run", "prod", "api", "1", "-c", "app", "date", "--launchtype", "FARGATE"),
        *("--subnet", "subnet-a", "--securitygroup", "sg-1"),
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "Successfully started 1 instances" in ran.stdout
    compared = ecs_deploy(running, "diff", "api", "1", "2")
    assert compared.returncode == 0, compared.stdout + compared.stderr
    assert "v2" in compared.stdout
