"""The pauses of a rollout in the composer: at which stages it waits for a person, how long, and what happens then."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from deployments.rollout_story import HOOK_WAIT, STAGES
from deployments.service_fields import PREFIX, Field, check_number, plain, whole

Facts = Mapping[str, Any]
Document = dict[str, Any]
PAUSE = "PAUSE"
NAME = f"{PREFIX}pause"
ANSWERS = (("ROLLBACK", "Roll back"), ("CONTINUE", "Continue"))
INDEX = re.compile(r"lifecycleHooks\[(\d+)\]")


@dataclass(slots=True)
class StagePause:
    """One stage: whether it is paused at, how long at most, and what ECS does then."""

    stage: str
    text: str
    wait: Field
    action: Field
    # The hook that pauses there now, empty where none does.
    hook: Facts
    is_chosen: bool

    @property
    def is_changed(self) -> bool:
        is_other = self.is_chosen and (self.wait.is_changed or self.action.is_changed)
        return self.is_chosen != bool(self.hook) or is_other

    @property
    def asked(self) -> Document:
        """Return the hook without its stages; one that was not changed stays as it is."""
        if self.hook and not self.is_changed:
            return {key: value for key, value in self.hook.items() if key != "lifecycleStages"}
        limit: Document = {"action": self.action.typed}
        if self.wait.typed and not self.wait.error:
            limit["timeoutInMinutes"] = whole(self.wait.typed)
        return {"targetType": PAUSE, "timeoutConfiguration": limit}


@dataclass(slots=True)
class Pauses:
    """All stages in their order, and the hooks that these fields cannot say, which stay as they are."""

    stages: list[StagePause]
    others: list[Document]

    @property
    def chosen(self) -> list[StagePause]:
        return [item for item in self.stages if item.is_chosen]

    @property
    def is_changed(self) -> bool:
        return any(item.is_changed for item in self.stages)

    @property
    def errors(self) -> dict[str, str]:
        return {item.wait.name: item.wait.error for item in self.chosen if item.wait.error}

    @property
    def hooks(self) -> list[Document]:
        """Return the hooks that are asked for: stages with the same wait and answer share one."""
        own: list[Document] = []
        for item in self.chosen:
            asked = item.asked
            same = next(
                (
                    hook
                    for hook in own
                    if {**hook, "lifecycleStages": None} == {**asked, "lifecycleStages": None}
                ),
                None,
            )
            if same is None:
                own.append({**asked, "lifecycleStages": [item.stage]})
            else:
                same["lifecycleStages"].append(item.stage)
        return [*self.others, *own]

    def take_error(self, path: str, text: str) -> bool:
        """Put an error of the engine at the first stage of the hook that it names; tell whether there is one."""
        found = INDEX.match(path)
        hooks = self.hooks
        hook = hooks[int(found[1])] if found and int(found[1]) < len(hooks) else {}
        stages = hook.get("lifecycleStages") or []
        for item in self.chosen:
            if not found or item.stage in stages:
                item.wait.error = text
                return True
        return False


def read_pauses(configuration: Facts, data: QueryDict) -> Pauses:
    """Read the stages of a form; without them in it, those of now."""
    present, others = hooks_by_stage(configuration)
    chosen = data.getlist(NAME) if NAME in data else list(present)
    stages = []
    for stage, text in STAGES.items():
        hook = present.get(stage, {})
        wait, action = limit_fields(stage, hook)
        for item in (wait, action):
            item.typed = data.get(item.name, item.current).strip()
        pause = StagePause(stage, text, wait, action, hook, stage in chosen)
        if pause.is_chosen:
            check_number(wait)
        stages.append(pause)
    return Pauses(stages, others)


def hooks_by_stage(configuration: Facts) -> tuple[dict[str, Facts], list[Document]]:
    """Return the PAUSE hook of each stage, and the other hooks: those that call functions or stand where one does."""
    present: dict[str, Facts] = {}
    others: list[Document] = []
    for hook in configuration.get("lifecycleHooks") or []:
        stages = set(hook.get("lifecycleStages") or [])
        if hook.get("targetType") == PAUSE and stages and stages <= STAGES.keys() - present.keys():
            present |= dict.fromkeys(stages, hook)
        else:
            others.append(dict(hook))
    return present, others


def limit_fields(stage: str, hook: Facts) -> tuple[Field, Field]:
    """Return how long a pause waits at most, and what ECS does then; where a hook says nothing, ECS's own figures."""
    limit = hook.get("timeoutConfiguration") or {}
    wait = plain(f"pause_minutes.{stage}", "Waits at most, min", limit.get("timeoutInMinutes", HOOK_WAIT))
    return wait, plain(f"pause_action.{stage}", "Then", limit.get("action", "ROLLBACK"), choices=ANSWERS)


def as_pause_fields(configuration: Facts) -> dict[str, Any]:
    """Return the fields of a form that asks for the pauses of a configuration."""
    present, _ = hooks_by_stage(configuration)
    fields = [item for stage, hook in present.items() for item in limit_fields(stage, hook)]
    return {NAME: ["", *(stage for stage in STAGES if stage in present)]} | {
        item.name: item.current for item in fields
    }
