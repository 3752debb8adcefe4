"""Builders of the rows that tests need; every field has a plausible default."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.utils import timezone

from access.models import RoleBinding
from clusters.models import (
    Account,
    Cluster,
    PollTarget,
    Service,
    ServiceDeployment,
    ServiceEvent,
    ServiceRevision,
    Task,
    TaskDefinition,
)
from deployments.models import Change
from deployments.states import State

_numbers = itertools.count(1)
ACCOUNT_IDS = {"production": "111122223333", "staging": "222233334444", "development": "333344445555"}


def make_person(name: str, **fields: Any) -> User:
    return User.objects.create_user(name, password="demo", **fields)


def bind(user: User, role: str, **place: Any) -> RoleBinding:
    return RoleBinding.objects.create(user=user, role=role, **place)


def make_people() -> dict[str, User]:
    """Make the small world: alice may, bob approves, carol looks, dan audits, erin administers, mallory has nothing."""
    roles = {
        "alice": "operator",
        "bob": "release_manager",
        "carol": "viewer",
        "dan": "auditor",
        "erin": "admin",
    }
    people = {name: make_person(name) for name in [*roles, "mallory"]}
    for name, role in roles.items():
        bind(people[name], role)
    return people


def make_account(environment: str = "production", **fields: Any) -> Account:
    account_id = fields.pop("account_id", ACCOUNT_IDS[environment])
    account, _ = Account.objects.get_or_create(
        account_id=account_id,
        defaults={"name": environment, "environment": environment, "regions": ["us-east-1"], **fields},
    )
    return account


def make_target(account: Account | None = None, region: str = "us-east-1", **fields: Any) -> PollTarget:
    now = timezone.now()
    target, _ = PollTarget.objects.update_or_create(
        account=account or make_account(),
        region=region,
        defaults={"attempted_at": now, "succeeded_at": now, **fields},
    )
    return target


def make_cluster(name: str = "prod-core", account: Account | None = None, **fields: Any) -> Cluster:
    account = account or make_account()
    region = fields.pop("region", "us-east-1")
    make_target(account, region)
    arn = f"arn:aws:ecs:{region}:{account.account_id}:cluster/{name}"
    environment = fields.pop("environment", account.environment)
    cluster, _ = Cluster.objects.get_or_create(
        arn=arn,
        defaults={
            "account": account,
            "region": region,
            "name": name,
            "environment": environment,
            "status": "ACTIVE",
            **fields,
        },
    )
    return cluster


def definition_arn(service: Service | Cluster, family: str, revision: int) -> str:
    cluster = service.cluster if isinstance(service, Service) else service
    return f"arn:aws:ecs:{cluster.region}:{cluster.account.account_id}:task-definition/{family}:{revision}"


def service_facts(name: str, arn: str, definition: str, desired: int, running: int) -> dict[str, Any]:
    """Return what DescribeServices says of a steady service, without events."""
    began = (timezone.now() - timedelta(hours=3)).isoformat()
    deployment = {
        "id": f"ecs-svc/{10**18 + next(_numbers)}",
        "status": "PRIMARY",
        "taskDefinition": definition,
        "desiredCount": desired,
        "runningCount": running,
        "pendingCount": 0,
        "failedTasks": 0,
        "rolloutState": "COMPLETED",
        "rolloutStateReason": "ECS deployment completed.",
        "createdAt": began,
        "updatedAt": began,
    }
    return {
        "serviceName": name,
        "serviceArn": arn,
        "status": "ACTIVE",
        "taskDefinition": definition,
        "desiredCount": desired,
        "runningCount": running,
        "pendingCount": 0,
        "launchType": "FARGATE",
        "deployments": [deployment],
        "deploymentConfiguration": {
            "maximumPercent": 200,
            "minimumHealthyPercent": 100,
            "deploymentCircuitBreaker": {"enable": True, "rollback": True},
        },
    }


def make_service(name: str = "checkout-api", cluster: Cluster | None = None, **fields: Any) -> Service:
    """Build a steady service with one COMPLETED deployment; pass facts= or counts to make it something else."""
    cluster = cluster or make_cluster()
    desired = fields.pop("desired_count", 2)
    running = fields.pop("running_count", desired)
    definition = fields.pop("task_definition_arn", definition_arn(cluster, name, 7))
    now = timezone.now()
    arn = f"arn:aws:ecs:{cluster.region}:{cluster.account.account_id}:service/{cluster.name}/{name}"
    facts = {**service_facts(name, arn, definition, desired, running), **fields.pop("facts", {})}
    defaults: dict[str, Any] = {
        "cluster": cluster,
        "name": name,
        "arn": arn,
        "ecs_status": "ACTIVE",
        "launch_type": "FARGATE",
        "task_definition_arn": definition,
        "desired_count": desired,
        "running_count": running,
        "rollout_state": "COMPLETED",
        "status": "steady",
        "happening": "Steady.",
        "version": "2026.11.20-1",
        "images": [
            {"container": "app", "image": f"111122223333.dkr.ecr.us-east-1.amazonaws.com/shop/{name}:v1"}
        ],
        "deployed_at": now - timedelta(hours=3),
        "search_text": f"{name} {cluster.name}",
        "facts": facts,
    }
    return Service.objects.create(**{**defaults, **fields})


def make_task(service: Service, **fields: Any) -> Task:
    task_id = fields.pop("task_id", f"{next(_numbers):032x}")
    now = timezone.now()
    primary = service.facts["deployments"][0]
    defaults: dict[str, Any] = {
        "cluster": service.cluster,
        "service": service,
        "task_id": task_id,
        "arn": f"{service.cluster.arn.replace(':cluster/', ':task/')}/{task_id}",
        "last_status": "RUNNING",
        "desired_status": "RUNNING",
        "health_status": "HEALTHY",
        "task_definition_arn": service.task_definition_arn,
        "started_by": primary["id"],
        "availability_zone": f"{service.cluster.region}a",
        "created_at": now - timedelta(minutes=9),
        "started_at": now - timedelta(minutes=8),
        "facts": {
            "taskArn": f"task/{task_id}",
            "lastStatus": fields.get("last_status", "RUNNING"),
            "containers": [{"name": "app", "lastStatus": "RUNNING", "image": "shop/app:v1"}],
        },
    }
    return Task.objects.create(**{**defaults, **fields})


def make_task_definition(service: Service | None = None, revision: int = 7, **fields: Any) -> TaskDefinition:
    service = service or make_service()
    family = fields.pop("family", service.name)
    arn = definition_arn(service, family, revision)
    container = {
        "name": "app",
        "image": f"111122223333.dkr.ecr.us-east-1.amazonaws.com/shop/{family}:v{revision}",
        "cpu": 256,
        "memory": 512,
        "essential": True,
        "portMappings": [{"containerPort": 8080, "protocol": "tcp"}],
        "environment": [{"name": "LOG_LEVEL", "fingerprint": "a1b2c3d4", "length": 4}],
        "secrets": [{"name": "DB_PASSWORD", "valueFrom": "arn:aws:ssm:us-east-1:111122223333:parameter/db"}],
        "logConfiguration": {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": f"/ecs/{family}",
                "awslogs-region": "us-east-1",
                "awslogs-stream-prefix": "ecs",
            },
        },
    }
    facts = {
        "taskDefinitionArn": arn,
        "family": family,
        "revision": revision,
        "status": "ACTIVE",
        "networkMode": "awsvpc",
        "requiresCompatibilities": ["FARGATE"],
        "cpu": "512",
        "memory": "1024",
        "containerDefinitions": [container],
        **fields.pop("facts", {}),
    }
    defaults = {
        "account": service.cluster.account,
        "region": service.cluster.region,
        "family": family,
        "revision": revision,
        "status": "ACTIVE",
        "registered_at": timezone.now() - timedelta(days=1),
        "facts": facts,
    }
    return TaskDefinition.objects.create(arn=arn, **{**defaults, **fields})


def make_event(service: Service, message: str | None = None, **fields: Any) -> ServiceEvent:
    defaults = {"event_id": f"event-{next(_numbers)}", "created_at": timezone.now()}
    text = message or f"(service {service.name}) has reached a steady state."
    return ServiceEvent.objects.create(service=service, message=text, **{**defaults, **fields})


def make_service_deployment(service: Service, **fields: Any) -> ServiceDeployment:
    number = next(_numbers)
    now = timezone.now()
    base = service.arn.replace(":service/", ":service-deployment/")
    defaults = {
        "arn": f"{base}/{number:021d}",
        "status": "SUCCESSFUL",
        "task_definition_arn": service.task_definition_arn,
        "target_revision_arn": f"{base.replace('service-deployment', 'service-revision')}/{number}",
        "images": [
            {"container": "app", "image": service.images[0]["image"], "digest": "sha256:" + "ab" * 32}
        ],
        "created_at": now - timedelta(hours=3),
        "started_at": now - timedelta(hours=3),
        "finished_at": now - timedelta(hours=2, minutes=55),
    }
    return ServiceDeployment.objects.create(service=service, **{**defaults, **fields})


def make_service_revision(deployment: ServiceDeployment, **facts: Any) -> ServiceRevision:
    """Build the target revision of a deployment, with facts as DescribeServiceRevisions gives them."""
    images = [
        {"containerName": item["container"], "image": item["image"], "imageDigest": item["digest"]}
        for item in deployment.images
    ]
    shown = {
        "serviceRevisionArn": deployment.target_revision_arn,
        "serviceArn": deployment.service.arn,
        "taskDefinition": deployment.task_definition_arn,
        "launchType": "FARGATE",
        "platformVersion": "1.4.0",
        "networkConfiguration": {
            "awsvpcConfiguration": {"subnets": ["subnet-a"], "securityGroups": ["sg-1"]}
        },
        "containerImages": images,
        **facts,
    }
    return ServiceRevision.objects.create(
        arn=deployment.target_revision_arn,
        service=deployment.service,
        task_definition_arn=deployment.task_definition_arn,
        facts=shown,
    )


def make_change(
    service: Service, requester: User, state: str = State.AWAITING_APPROVAL, **fields: Any
) -> Change:
    defaults: dict[str, Any] = {
        "kind": "deploy",
        "title": f"Deploy {service.name} 2026.11.21-1",
        "spec": {
            "containers": {"app": {"image": "111122223333.dkr.ecr.us-east-1.amazonaws.com/shop/app:v2"}}
        },
        "spec_sha256": "0" * 64,
        "base_fingerprint": "1" * 64,
        "needs_approval": True,
    }
    return Change.objects.create(service=service, requester=requester, state=state, **{**defaults, **fields})
