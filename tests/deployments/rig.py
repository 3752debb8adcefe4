"""A service in the sandbox and its row in the inventory, and the few words in which tests drive changes of it."""

from __future__ import annotations

import copy
import json
import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, TypeVar

from django.contrib.auth.models import User
from django.core.serializers.json import DjangoJSONEncoder
from django.db import OperationalError

from access.queries import access_for
from aws import ecs
from aws.errors import AwsOutcomeUnknown
from clusters.masking import mask_definition
from clusters.models import Account, Cluster, Service, ServiceDeployment, Task, TaskDefinition
from clusters.queries import scope_of
from clusters.revisions import store_revisions
from deployments import actions, dispatch
from deployments.gateway import AwsGateway
from deployments.models import Attempt, Change
from deployments.plans import Plan, make_plan
from deployments.states import TERMINAL
from deployments.terms import NOW, Terms
from sandbox.ports import Caller
from sandbox.scenarios.empty import ACCOUNT_ID, EXTERNAL_ID, ROLE_ARN
from sandbox.server import SandboxServer
from tests.builders import make_cluster

T = TypeVar("T")
REGION = "us-east-1"
ADMIN = Caller(ACCOUNT_ID, REGION, f"arn:aws:iam::{ACCOUNT_ID}:role/platform")
REPOSITORY = f"{ACCOUNT_ID}.dkr.ecr.{REGION}.amazonaws.com/shop/checkout-api"
NETWORK = {"awsvpcConfiguration": {"subnets": ["subnet-a", "subnet-b"], "securityGroups": ["sg-1"]}}
BREAKER = {"deploymentCircuitBreaker": {"enable": True, "rollback": True}}


class Killed(BaseException):
    """The worker dies: nothing that comes after runs, as with SIGKILL."""


class Rig:
    """One service, `checkout-api` in `prod`, steady on image v1 with two tasks."""

    def __init__(self, sandbox: SandboxServer, people: Mapping[str, User], environment: str) -> None:
        self.sandbox, self.people, self.world = sandbox, people, sandbox.world
        self.name = "checkout-api"
        self.calls: list[str] = []
        # What happens around a mutating call: None, or a function of (action, make_the_call).
        self.around: Callable[[str, Callable[[], Any]], Any] | None = None
        self.push("v1")
        sandbox.surroundings.create_role(ACCOUNT_ID, "execution")
        self.call("CreateCluster", clusterName="prod")
        self.create_service(self.define("v1"))
        self.world.advance(180)
        self.cluster = self.make_cluster(environment)
        self.service = Service(cluster=self.cluster, name=self.name)
        self.sync()

    def create_service(self, definition: str) -> None:
        self.call(
            "CreateService",
            cluster="prod",
            serviceName=self.name,
            desiredCount=2,
            launchType="FARGATE",
            networkConfiguration=NETWORK,
            deploymentConfiguration=BREAKER,
            taskDefinition=definition,
        )

    def beside(self, *names: str) -> list[Rig]:
        """Return rigs of further services in the same cluster, steady as well, which share what is counted."""
        rigs = []
        for name in names:
            other = copy.copy(self)
            other.name, other.service = name, Service(cluster=self.cluster, name=name)
            other.create_service(self.service.task_definition_arn)
            rigs.append(other)
        self.world.advance(180)
        for other in rigs:
            other.sync()
        return rigs

    @property
    def now(self) -> datetime:
        return self.world.now

    def make_cluster(self, environment: str) -> Cluster:
        account, _ = Account.objects.get_or_create(
            account_id=ACCOUNT_ID,
            defaults={
                "name": environment,
                "environment": environment,
                "regions": [REGION],
                "role_arn": ROLE_ARN,
                "deploy_role_arn": ROLE_ARN,
                "external_id": EXTERNAL_ID,
            },
        )
        return make_cluster("prod", account, region=REGION)

    def call(self, operation: str, **params: Any) -> dict[str, Any]:
        """Make a call as somebody outside the console."""
        return self.world.call(ADMIN, operation, params)

    def push(self, tag: str) -> None:
        self.sandbox.surroundings.registry.push(ACCOUNT_ID, REGION, "shop/checkout-api", tag, at=self.now)

    def define(self, tag: str, **more: Any) -> str:
        container = {
            "name": "app",
            "image": f"{REPOSITORY}:{tag}",
            "cpu": 256,
            "memory": 512,
            "essential": True,
            "portMappings": [{"containerPort": 8080, "protocol": "tcp"}],
            "environment": [
                {"name": "LOG_LEVEL", "value": "info"},
                {"name": "API_TOKEN", "value": "tok-1"},
            ],
        }
        answer = self.call(
            "RegisterTaskDefinition",
            family="checkout-api",
            networkMode="awsvpc",
            requiresCompatibilities=["FARGATE"],
            cpu="256",
            memory="512",
            executionRoleArn=f"arn:aws:iam::{ACCOUNT_ID}:role/execution",
            containerDefinitions=[container],
            tags=[{"key": "team", "value": "shop"}],
            **more,
        )
        return str(answer["taskDefinition"]["taskDefinitionArn"])

    def facts(self) -> dict[str, Any]:
        found: dict[str, Any] = self.call("DescribeServices", cluster="prod", services=[self.name])
        service: dict[str, Any] = found["services"][0]
        return service

    def sync(self) -> None:
        """Bring the inventory up to date, as a poll would."""
        facts = self.facts()
        primary = next(item for item in facts["deployments"] if item["status"] == "PRIMARY")
        service = self.service
        service.arn, service.facts = facts["serviceArn"], plain(facts)
        service.ecs_status = facts["status"]
        service.task_definition_arn = facts["taskDefinition"]
        service.desired_count, service.running_count = facts["desiredCount"], facts["runningCount"]
        service.rollout_state = primary.get("rolloutState", "")
        service.observed_at = service.described_at = self.now
        service.save()
        self.sync_definitions({item["taskDefinition"] for item in facts["deployments"]})
        self.sync_history()
        self.sync_tasks()

    def sync_definitions(self, arns: Iterable[str]) -> None:
        for arn in arns:
            answer = self.call("DescribeTaskDefinition", taskDefinition=arn, include=["TAGS"])
            definition = answer["taskDefinition"]
            TaskDefinition.objects.update_or_create(
                arn=arn,
                defaults={
                    "account": self.cluster.account,
                    "region": REGION,
                    "family": definition["family"],
                    "revision": definition["revision"],
                    "status": definition["status"],
                    "facts": plain(mask_definition(definition)),
                    "tags": {tag["key"]: tag["value"] for tag in answer.get("tags", [])},
                },
            )

    def sync_history(self) -> None:
        scope = scope_of(self.service)
        brief = ecs.list_service_deployments(scope, "prod", self.name)
        for item in ecs.describe_service_deployments(
            scope, [one["serviceDeploymentArn"] for one in brief]
        ).items:
            target = item["targetServiceRevision"]["arn"]
            revision = ecs.describe_service_revisions(scope, [target]).items[0]
            store_revisions({self.service.arn: self.service.pk}, [revision], self.now)
            self.sync_definitions([revision["taskDefinition"]])
            images = [
                {
                    "container": one["containerName"],
                    "image": one["image"],
                    "digest": one.get("imageDigest", ""),
                }
                for one in revision["containerImages"]
            ]
            ServiceDeployment.objects.update_or_create(
                arn=item["serviceDeploymentArn"],
                defaults={
                    "service": self.service,
                    "status": item["status"],
                    "task_definition_arn": revision["taskDefinition"],
                    "target_revision_arn": target,
                    "images": images,
                    "lifecycle_stage": item.get("lifecycleStage", ""),
                    "strategy": (item.get("deploymentConfiguration") or {}).get("strategy", ""),
                    "facts": plain(item),
                    "created_at": item["createdAt"],
                },
            )

    def sync_tasks(self) -> None:
        arns = self.call("ListTasks", cluster="prod", serviceName=self.name)["taskArns"]
        for task in self.call("DescribeTasks", cluster="prod", tasks=arns)["tasks"] if arns else []:
            Task.objects.update_or_create(
                arn=task["taskArn"],
                defaults={
                    "cluster": self.cluster,
                    "service": self.service,
                    "task_id": task["taskArn"].rsplit("/", 1)[-1],
                    "last_status": task["lastStatus"],
                    "started_by": task.get("startedBy", ""),
                    "facts": plain(task),
                    "desired_status": task["desiredStatus"],
                    "task_definition_arn": task["taskDefinitionArn"],
                },
            )

    def plan(self, kind: str, spec: Mapping[str, Any], *, by: str = "alice", terms: Terms = NOW) -> Plan:
        access = access_for(self.people[by])
        return make_plan(self.service, kind, spec, access=access, now=self.now, terms=terms)

    def ask(
        self, kind: str, spec: Mapping[str, Any] | None = None, *, by: str = "alice", **more: Any
    ) -> Change:
        """Ask for a change as somebody who saw the plan and confirmed it."""
        values: dict[str, Any] = {"reason": "because", "confirm": self.service.name, **more}
        terms = values.get("terms", NOW)
        values.setdefault("plan_id", self.plan(kind, spec or {}, by=by, terms=terms).id)
        person = self.people[by]
        return actions.request_change(
            service=self.service,
            kind=kind,
            spec=spec or {},
            actor=person,
            access=access_for(person),
            now=self.now,
            **values,
        )

    def deploy(
        self,
        tag: str = "v2",
        *,
        by: str = "alice",
        approve: bool = True,
        terms: Terms = NOW,
        **container: Any,
    ) -> Change:
        """Ask for a deploy of an image that ECR has, and have bob approve it."""
        self.push(tag)
        change = self.ask("deploy", image_spec(tag, **container), by=by, terms=terms)
        if approve and change.needs_approval:
            self.approve(change)
        return change

    def approve(self, change: Change, by: str = "bob") -> None:
        person = self.people[by]
        actions.approve_change(change=change, approver=person, access=access_for(person), now=self.now)

    def reject(self, change: Change, by: str = "bob", comment: str = "no") -> None:
        person = self.people[by]
        actions.reject_change(
            change=fresh(change), approver=person, access=access_for(person), comment=comment, now=self.now
        )

    def cancel(self, change: Change, by: str = "alice") -> None:
        person = self.people[by]
        actions.cancel_change(change=fresh(change), actor=person, access=access_for(person), now=self.now)

    def roll_back(self, change: Change, by: str = "alice") -> None:
        person = self.people[by]
        actions.request_rollback_of(
            change=fresh(change), actor=person, access=access_for(person), reason="too slow", now=self.now
        )

    def connect(self, service: Service, change: Change) -> WatchedGateway:
        return WatchedGateway(service, change, self)

    def wake(self, change: Change) -> Change:
        """Let a worker take the change now."""
        dispatch.wake(change.pk, now=self.now, connect=self.connect)
        return fresh(change)

    def until(self, change: Change, *states: str, limit: int = 900, step: int = 10) -> Change:
        """Let time pass and workers work until the change is in one of these states, by default at its end."""
        wanted = states or tuple(TERMINAL)
        for _ in range(0, limit, step):
            change = self.wake(change)
            if change.state in wanted:
                return change
            self.world.advance(step)
        raise AssertionError(f"still {change.state} after {limit} s: {change.progress}")

    def pass_time(self, change: Change, seconds: int, step: int = 5) -> Change:
        for _ in range(0, seconds, step):
            self.world.advance(step)
            change = self.wake(change)
        return change

    def actions_of(self, change: Change) -> list[tuple[str, str]]:
        """Return the attempts of a change as (action, outcome)."""
        return [(item.action, item.outcome) for item in Attempt.objects.filter(change=change)]


class WatchedGateway(AwsGateway):
    """The gateway to the sandbox that counts mutating calls and lets a test step in."""

    def __init__(self, service: Service, change: Change, rig: Rig) -> None:
        super().__init__(service, change)
        self.rig = rig

    def mutate(self, action: str, params: Mapping[str, Any]) -> tuple[dict[str, Any], str]:
        self.rig.calls.append(action)

        def make() -> tuple[dict[str, Any], str]:
            return super(WatchedGateway, self).mutate(action, params)

        if self.rig.around is None:
            return make()
        answer: tuple[dict[str, Any], str] = self.rig.around(action, make)
        return answer


def dies_after(wanted: str) -> Callable[[str, Callable[[], Any]], Any]:
    """AWS acts, and the worker dies before it can write the answer down."""

    def around(action: str, make: Callable[[], Any]) -> Any:
        answer = make()
        if action == wanted:
            raise Killed
        return answer

    return around


def dies_before(wanted: str) -> Callable[[str, Callable[[], Any]], Any]:
    """The worker dies between writing its intent and sending the call."""

    def around(action: str, make: Callable[[], Any]) -> Any:
        if action == wanted:
            raise Killed
        return make()

    return around


def loses_answer(wanted: str, *, happened: bool) -> Callable[[str, Callable[[], Any]], Any]:
    """The connection breaks under the call."""

    def around(action: str, make: Callable[[], Any]) -> Any:
        if action != wanted:
            return make()
        if happened:
            make()
        raise AwsOutcomeUnknown("Read timeout", action=action, code="ReadTimeoutError")

    return around


def patiently(act: Callable[[], T]) -> T:
    """Do something as soon as the database lets us: in memory, SQLite refuses where a file makes writers wait."""
    for _ in range(400):
        try:
            return act()
        except OperationalError as error:
            if "locked" not in str(error):
                raise
            time.sleep(0.005)
    raise AssertionError("the database stayed locked")


def image_spec(tag: str, **container: Any) -> dict[str, Any]:
    return {"containers": {"app": {"image": f"{REPOSITORY}:{tag}", **container}}}


def fresh(change: Change) -> Change:
    return Change.objects.select_related("service__cluster__account", "requester").get(pk=change.pk)


def plain(facts: dict[str, Any]) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads(json.dumps(facts, cls=DjangoJSONEncoder))
    return loaded
