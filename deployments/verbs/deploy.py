"""Deploy: one fresh task definition revision, tagged with the change, and one UpdateService to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from aws import ecs
from clusters.diff import diff_definitions
from clusters.masking import mask_definition
from clusters.models import Service
from deployments import attempts, task_definitions
from deployments.attempts import Call
from deployments.definitions import masked_definition
from deployments.deploy_spec import clean_deploy_spec
from deployments.fingerprint import Base, service_base
from deployments.models import Attempt, Change
from deployments.plans import Check, Outline, planned
from deployments.preflight import churn_of, rollout_checks
from deployments.running import Next, Run
from deployments.states import State
from deployments.verbs import rollout
from deployments.verbs.base import Spec

REGISTER = "register"
Document = dict[str, Any]


class Deploy:
    """Registers what the spec makes of the definition that PRIMARY runs, and rolls it out."""

    permission = "service.deploy"
    deadline = rollout.DEADLINE
    takes_slot = True
    goes_first = False

    def clean(self, service: Service, spec: Mapping[str, Any]) -> Spec:
        return clean_deploy_spec(masked_definition(service, service.task_definition_arn), spec)

    def title(self, service: Service, spec: Spec) -> str:
        images = [c["image"] for c in spec.get("containers", {}).values() if "image" in c]
        version = ", ".join(version_of(image) for image in images) or "with new settings"
        return f"Deploy {service.name} {version}"

    def base(self, facts: Mapping[str, Any], spec: Spec) -> Base:
        return service_base(facts)

    def plan(self, service: Service, spec: Spec) -> Outline:
        old = masked_definition(service, service.task_definition_arn)
        new = task_definitions.apply_spec(old, spec, task_definitions.masked_entry)
        params = task_definitions.register_params(
            new, old.get("tags") or [], ecs.register_input_members(), change_id=None
        )
        region, cluster = service.cluster.region, service.cluster.name
        next_revision = f"{old.get('family', service.name)}:<new revision>"
        update = {"cluster": cluster, "service": service.name, "taskDefinition": next_revision}
        calls = [
            planned(
                "ecs:RegisterTaskDefinition",
                params,
                region=region,
                note="Read afresh from AWS with this spec applied; values of variables are masked here.",
            ),
            planned("ecs:UpdateService", update, region=region, note="Nothing else of the service is set."),
        ]
        return Outline(calls, diff_definitions(old, new), churn_of(service))

    def preflight(self, service: Service, spec: Spec) -> list[Check]:
        old = masked_definition(service, service.task_definition_arn)
        new = task_definitions.apply_spec(old, spec, task_definitions.masked_entry)
        checks = rollout_checks(service, new)
        if task_definitions.is_same(old, new):
            text = "The spec is what PRIMARY runs already. To start its tasks anew, restart the service."
            checks.append(Check("nothing-changes", "Nothing changes", "refuse", text))
        return checks

    def step(self, run: Run) -> Next:
        if run.change.state == State.ROLLING_BACK and "registered_arn" not in run.progress:
            return rollout.undo(run, None)
        registered = self.register(run)
        if isinstance(registered, Next):
            return registered
        call = rollout.update_call(
            run,
            {"taskDefinition": registered},
            lambda item: item.get("taskDefinition") == registered,
            repeatable=True,
        )
        if run.change.state == State.ROLLING_BACK:
            return rollout.undo(run, call)
        return rollout.roll_out(run, call)

    def can_be_rolled_back(self, change: Change) -> bool:
        return True

    def register(self, run: Run) -> str | Next:
        """Return the ARN of our revision, registering it unless it was."""
        if arn := run.progress.get("registered_arn"):
            return str(arn)
        call = self.register_call(run)
        if call is None:
            return Next(State.FAILED, "The spec is what PRIMARY runs already; nothing was registered.")
        attempt = attempts.once(run, call)
        if isinstance(attempt, Next):
            return attempt
        arn = str(attempt.response["task_definition_arn"])
        run.remember(registered_arn=arn)
        return arn

    def register_call(self, run: Run) -> Call | None:
        """Return the registration of the spec applied to the definition as AWS has it now; None if nothing changes."""
        spec = run.change.spec
        old = run.gateway.task_definition(run.progress["previous_task_definition_arn"])
        tags = old.pop("tags", [])
        new = task_definitions.apply_spec(old, spec, task_definitions.plain_entry)
        if task_definitions.is_same(old, new):
            return None
        params = task_definitions.register_params(new, tags, ecs.register_input_members(), run.change.pk)

        def look(attempt: Attempt) -> Document | None:
            for item in run.gateway.newest_definitions(old["family"]):
                if task_definitions.change_of(item.get("tags", [])) == str(run.change.pk):
                    return ids_of(item)
            return None

        return Call(
            REGISTER,
            "ecs:RegisterTaskDefinition",
            params,
            mask_definition(params),
            lambda answer: ids_of(answer["taskDefinition"]),
            look,
        )


def ids_of(definition: Mapping[str, Any]) -> Document:
    return {"task_definition_arn": definition["taskDefinitionArn"]}


def version_of(image: str) -> str:
    """Return what people call an image: its tag, else the start of its digest."""
    if "@" in image:
        return image.rsplit("@", 1)[1].removeprefix("sha256:")[:12]
    name = image.rsplit("/", 1)[-1]
    return name.partition(":")[2] or "latest"
