"""Builds one acme service with its images, its revisions and a plausible past."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sandbox import wording
from sandbox.history import PastDeployment, service_of
from sandbox.operations.task_definitions import find
from sandbox.ports import Caller
from sandbox.registry import digest_of
from sandbox.scenarios.acme_catalog import ENVIRONMENTS, Cluster, Service
from sandbox.scenarios.stage import Stage

REVISIONS = 6
EXECUTION_ROLE = "ecs-execution"
HISTORY_DAYS = 14
# How long after its push an image is rolled out.
PUSH_TO_DEPLOY = timedelta(minutes=25)
_OLDER_DAYS = (2.1, 4.3, 6.2, 8.5, 11.4, 14.9, 19.0, 25.2)
_PEOPLE = ("maria.lopez", "tom.becker", "priya.nair", "sam.oduya")
_SIDECARS = {
    "envoy": ("public.ecr.aws/appmesh/aws-appmesh-envoy:v1.29.12.1-prod", 9901, False),
    "datadog-agent": ("public.ecr.aws/datadog/agent:7.59.0", 8126, False),
}


@dataclass(frozen=True, slots=True)
class Releases:
    """The tags of one repository, oldest first; `missing` was never pushed."""

    older: tuple[tuple[str, datetime], ...]
    current: tuple[str, datetime]
    newer: tuple[str, ...]
    crash: str
    oom: str
    missing: str


def releases_of(service: Service, now: datetime) -> Releases:
    """Name a repository's releases after the days on which they were pushed."""
    age = service.days_since_deploy
    ages = [age + older for older in reversed(_OLDER_DAYS)]
    ages += [age, age * 0.55, age * 0.3, age * 0.25, age * 0.2, age * 0.1]
    endings = [""] * (len(_OLDER_DAYS) + 3) + ["-crash", "-oom", "-missing"]
    seen: Counter[str] = Counter()
    named: list[tuple[str, datetime]] = []
    for days, ending in zip(ages, endings, strict=True):
        pushed = now - timedelta(days=days) - PUSH_TO_DEPLOY
        day = f"{pushed:%Y.%m.%d}"
        seen[day] += 1
        named.append((f"{day}-{seen[day]}{ending}", pushed))
    count = len(_OLDER_DAYS)
    tags = [tag for tag, _ in named]
    return Releases(
        tuple(named[:count]), named[count], tuple(tags[count + 1 : count + 3]), tags[-3], tags[-2], tags[-1]
    )


def image_of(cluster: Cluster, service: Service, tag: str) -> str:
    return f"{cluster.account_id}.dkr.ecr.{cluster.region}.amazonaws.com/shop/{service.name}:{tag}"


def ci(account_id: str, run: int) -> str:
    """Return the principal of a pipeline's run."""
    return f"arn:aws:sts::{account_id}:assumed-role/ci-deploy/github-actions-{run}"


def person(account_id: str, name: str) -> str:
    """Return the principal of an engineer who signed in."""
    return f"arn:aws:sts::{account_id}:assumed-role/AWSReservedSSO_Engineer_8c2f41d07ab3/{name}@shop.example"


class ServiceBuilder:
    """Creates one service; `register` and `deploy` let a story go on from there."""

    def __init__(self, stage: Stage, cluster: Cluster, service: Service, secrets: dict[str, str]) -> None:
        self.stage = stage
        self.cluster = cluster
        self.service = service
        self.releases = releases_of(service, stage.now)
        self._secrets = secrets
        self._rng = random.Random(f"{cluster.name}/{service.name}")
        self._log_group = f"/ecs/{cluster.name}/{service.name}"

    def build(self) -> None:
        """Push images, register revisions, create the service running since its last deployment, give it a past."""
        self._push_images()
        surroundings, place = self.stage.surroundings, (self.cluster.account_id, self.cluster.region)
        surroundings.create_log_group(*place, self._log_group)
        for role in (EXECUTION_ROLE, self.service.name):
            surroundings.create_role(self.cluster.account_id, role)
        past = [(self.register(tag, age, at), at) for age, (tag, at) in self._deployed()]
        definition = self.register(*self._current())
        self._create(definition)
        caller = Caller(*place, ci(self.cluster.account_id, 4100))
        since = self.releases.current[1] + PUSH_TO_DEPLOY
        world, names = self.stage.world, (self.cluster.name, self.service.name)
        world.settle(caller, *names, running_since=since)
        deployments = [self._past(arn, at) for arn, at in past]
        world.import_history(caller, *names, deployments)
        self._tell_trail(
            [*deployments, PastDeployment(definition, since, since, created_by=caller.principal_arn)]
        )
        created = self.stage.ago(days=90 + self._rng.randrange(600))
        world.backdate_service(caller, *names, created_at=created)

    def register(self, tag: str, age: int = 0, pushed: datetime | None = None) -> str:
        """Register a revision with an image; `age` counts revisions back, which differ in small ways.

        With `pushed` it was registered when that image was rolled out.
        """
        answer = self.stage.call(
            self.cluster.account_id,
            self.cluster.region,
            "RegisterTaskDefinition",
            by=ci(self.cluster.account_id, 4100 - age),
            at=pushed + PUSH_TO_DEPLOY - timedelta(seconds=40) if pushed else None,
            **self._definition(tag, age),
        )
        arn = str(answer["taskDefinition"]["taskDefinitionArn"])
        definition = find(self.stage.world.region(self.cluster.account_id, self.cluster.region), arn)
        if pushed is not None and definition is not None:
            definition.registered_at = pushed + PUSH_TO_DEPLOY - timedelta(seconds=40)
        return arn

    def _current(self) -> tuple[str, int, datetime]:
        tag, pushed = self.releases.current
        return tag, 0, pushed

    def deploy(self, tag: str, *, by: str, **changes: Any) -> None:
        """Register a revision with an image and update the service to it."""
        self.update(by=by, taskDefinition=self.register(tag), **changes)

    def update(self, *, by: str, **changes: Any) -> None:
        """Call UpdateService."""
        self.stage.call(
            self.cluster.account_id,
            self.cluster.region,
            "UpdateService",
            by=by,
            cluster=self.cluster.name,
            service=self.service.name,
            **changes,
        )

    def proceed(self, *, by: str) -> None:
        """Let the service's deployment go on from the hook that it waits at."""
        place = (self.cluster.account_id, self.cluster.region)
        entry = service_of(self.stage.world.region(*place), self.cluster.name, self.service.name).current
        waiting = [hook for hook in entry.hooks if hook.status == "AWAITING_ACTION"] if entry else []
        if entry is None or not waiting:
            raise ValueError(f"{self.service.name} does not wait for anybody")
        self.stage.call(
            *place,
            "ContinueServiceDeployment",
            by=by,
            serviceDeploymentArn=entry.arn,
            hookId=waiting[0].id,
            action="CONTINUE",
        )

    def _push_images(self) -> None:
        now, names = self.stage.now, self.releases
        half = timedelta(days=self.service.days_since_deploy)
        newer = [(tag, now - half * share) for tag, share in zip(names.newer, (0.55, 0.3), strict=True)]
        bad = [
            (names.crash, now - half * 0.25),
            (names.oom, now - half * 0.2),
            (f"{names.newer[-1]}-arch", now - half * 0.15),
        ]
        for tag, at in [*names.older, names.current, *newer, *bad]:
            self.stage.surroundings.registry.push(
                self.cluster.account_id,
                self.cluster.region,
                f"shop/{self.service.name}",
                tag,
                at=at,
                megabytes=self._rng.randrange(60, 240),
            )

    def _deployed(self) -> list[tuple[int, tuple[str, datetime]]]:
        """Return the releases of the last two weeks with how many revisions ago they ran, oldest first."""
        first = self.stage.ago(days=HISTORY_DAYS)
        recent = [release for release in self.releases.older if release[1] > first][-(REVISIONS - 1) :]
        return [(len(recent) - index, release) for index, release in enumerate(recent)]

    def _past(self, definition: str, pushed: datetime) -> PastDeployment:
        started = pushed + PUSH_TO_DEPLOY
        minutes = self._rng.uniform(3, 9)
        account_id = self.cluster.account_id
        by = ci(account_id, self._rng.randrange(3000, 4100))
        if self._rng.random() < 0.3:
            by = person(account_id, self._rng.choice(_PEOPLE))
        if self.service.breaker and self._rng.random() < 0.12:
            finished = started + timedelta(minutes=minutes + 6)
            reason = self._rng.choice(self._ways_to_fail())
            return PastDeployment(definition, started, finished, "ROLLBACK_SUCCESSFUL", reason, by)
        return PastDeployment(definition, started, started + timedelta(minutes=minutes), created_by=by)

    def _ways_to_fail(self) -> tuple[str, ...]:
        """Return what ended releases that were rolled back; only what has a load balancer has its alarm."""
        ways = (wording.BREAKER_EXCEEDED, wording.BREAKER_EXCEEDED, wording.USER_ROLLBACK)
        alarm = wording.alarm_rollback(f"{self.cluster.name}-{self.service.name}-5xx")
        return (*ways, alarm) if self.service.public else ways

    def _tell_trail(self, deployments: list[PastDeployment]) -> None:
        """Let CloudTrail know who began each deployment."""
        for item in deployments:
            caller = Caller(self.cluster.account_id, self.cluster.region, item.created_by)
            params = {
                "cluster": self.cluster.name,
                "service": self.service.name,
                "taskDefinition": item.task_definition,
            }
            self.stage.tell(caller, "UpdateService", params, item.started_at - timedelta(seconds=2))

    def _create(self, definition: str) -> None:
        service, cluster = self.service, self.cluster
        balancers = [self._balancer()] if service.public else []
        self.stage.call(
            cluster.account_id,
            cluster.region,
            "CreateService",
            cluster=cluster.name,
            serviceName=service.name,
            taskDefinition=definition,
            desiredCount=service.count,
            launchType="FARGATE",
            platformVersion="LATEST",
            loadBalancers=balancers,
            healthCheckGracePeriodSeconds=60 if balancers else None,
            networkConfiguration=_network(cluster),
            deploymentConfiguration=self.rollout(),
            enableECSManagedTags=True,
            enableExecuteCommand=ENVIRONMENTS[cluster.account_id] == "development",
            propagateTags="SERVICE",
            tags=self._tags(),
        )

    def rollout(self) -> dict[str, Any]:
        """Return how the service is rolled out."""
        service = self.service
        return {
            "deploymentCircuitBreaker": {"enable": service.breaker, "rollback": service.breaker},
            "minimumHealthyPercent": service.minimum,
            "maximumPercent": service.maximum,
        }

    def _balancer(self) -> dict[str, Any]:
        """Return the target group in front of the service, and the second one of a service whose traffic moves."""
        service, cluster = self.service, self.cluster
        balancer: dict[str, Any] = {
            "targetGroupArn": self._target_group(),
            "containerName": service.name,
            "containerPort": service.port,
        }
        if service.condition == "canary":
            path = "/".join(digest_of(f"{cluster.name}/{kind}")[7:23] for kind in ("alb", "https", "rule"))
            balancer["advancedConfiguration"] = {
                "alternateTargetGroupArn": self._target_group("-next"),
                "productionListenerRule": f"{self._elb}:listener-rule/app/{cluster.name}/{path}",
                "roleArn": f"arn:aws:iam::{cluster.account_id}:role/ecs-load-balancers",
            }
        return balancer

    @property
    def _elb(self) -> str:
        return f"arn:aws:elasticloadbalancing:{self.cluster.region}:{self.cluster.account_id}"

    def _target_group(self, ending: str = "") -> str:
        service, cluster = self.service, self.cluster
        suffix = digest_of(f"{cluster.name}/{service.name}{ending}")[7:23]
        target = f"targetgroup/{cluster.name}-{service.name}{ending}"[:44].rstrip("-")
        arn = f"{self._elb}:{target}/{suffix}"
        # Half a minute of draining instead of five keeps a demo's rollouts worth watching.
        self.stage.world.deregistration_delays[arn] = 30.0
        return arn

    def _definition(self, tag: str, age: int) -> dict[str, Any]:
        service, cluster = self.service, self.cluster
        return {
            "family": service.name,
            "networkMode": "awsvpc",
            "requiresCompatibilities": ["FARGATE"],
            "cpu": str(service.cpu),
            "memory": str(service.memory),
            "executionRoleArn": f"arn:aws:iam::{cluster.account_id}:role/{EXECUTION_ROLE}",
            "taskRoleArn": f"arn:aws:iam::{cluster.account_id}:role/{service.name}",
            "runtimePlatform": {"cpuArchitecture": "X86_64", "operatingSystemFamily": "LINUX"},
            "containerDefinitions": [self._container(tag, age), *self._sidecars()],
            "tags": self._tags(),
        }

    def _container(self, tag: str, age: int) -> dict[str, Any]:
        service = self.service
        environment = {
            "APP_ENV": ENVIRONMENTS[self.cluster.account_id],
            # Older revisions differ, so that comparing two of them shows something.
            "LOG_LEVEL": "debug" if age >= 4 else "info",
            "PORT": str(service.port),
            "RELEASE": tag,
            **service.environment,
        }
        if age >= 2:
            environment["GC_TARGET_PERCENT"] = "80"
        return {
            "name": service.name,
            "image": image_of(self.cluster, service, tag),
            "essential": True,
            "portMappings": [{"containerPort": service.port, "protocol": "tcp"}],
            "environment": [{"name": name, "value": value} for name, value in environment.items()],
            "secrets": [
                {"name": _variable(name), "valueFrom": self._secrets[name]} for name in service.secrets
            ],
            "healthCheck": {
                "command": ["CMD-SHELL", f"curl -fsS http://localhost:{service.port}/healthz || exit 1"],
                "interval": 30 if age < 3 else 15,
                "timeout": 5,
                "retries": 3,
                "startPeriod": 20,
            },
            "logConfiguration": self._logging(service.name),
        }

    def _sidecars(self) -> list[dict[str, Any]]:
        return [
            {
                "name": name,
                "image": _SIDECARS[name][0],
                "essential": _SIDECARS[name][2],
                "cpu": 64,
                "memoryReservation": 128,
                "portMappings": [{"containerPort": _SIDECARS[name][1], "protocol": "tcp"}],
                "logConfiguration": self._logging(name),
            }
            for name in self.service.sidecars
        ]

    def _logging(self, prefix: str) -> dict[str, Any]:
        return {
            "logDriver": "awslogs",
            "options": {
                "awslogs-group": self._log_group,
                "awslogs-region": self.cluster.region,
                "awslogs-stream-prefix": "ecs",
            },
        }

    def _tags(self) -> list[dict[str, str]]:
        environment = ENVIRONMENTS[self.cluster.account_id]
        tags = {"team": self.service.team, "environment": environment, "managed-by": "terraform"}
        return [{"key": key, "value": value} for key, value in tags.items()]


def _variable(secret: str) -> str:
    return {"db": "DATABASE_PASSWORD", "stripe": "STRIPE_SECRET_KEY", "jwt": "JWT_SIGNING_KEY"}.get(
        secret, secret.upper().replace("-", "_")
    )


def _network(cluster: Cluster) -> dict[str, Any]:
    def ident(kind: str, number: int) -> str:
        return f"{kind}-{digest_of(f'{cluster.name}/{kind}/{number}')[7:24]}"

    return {
        "awsvpcConfiguration": {
            "subnets": [ident("subnet", number) for number in range(3)],
            "securityGroups": [ident("sg", 0)],
            "assignPublicIp": "DISABLED",
        }
    }
