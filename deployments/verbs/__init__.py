"""The verbs: what each kind of change plans, checks and does. A new verb is a new module and a line here."""

from __future__ import annotations

from deployments.errors import InvalidSpec
from deployments.models import Kind
from deployments.verbs.base import Verb
from deployments.verbs.continuing import Continue
from deployments.verbs.deploy import Deploy
from deployments.verbs.restart import Restart
from deployments.verbs.rollback import Rollback
from deployments.verbs.run_task import RunTask
from deployments.verbs.scale import Scale
from deployments.verbs.stop_task import StopTask

VERBS: dict[str, Verb] = {
    Kind.DEPLOY: Deploy(),
    Kind.RESTART: Restart(),
    Kind.SCALE: Scale(),
    Kind.ROLLBACK: Rollback(),
    Kind.STOP_TASK: StopTask(),
    Kind.CONTINUE: Continue(),
    Kind.RUN_TASK: RunTask(),
}


def verb_for(kind: str) -> Verb:
    if kind not in VERBS:
        raise InvalidSpec({"kind": f"The console has no verb {kind}."})
    return VERBS[kind]
