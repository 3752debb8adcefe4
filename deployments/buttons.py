"""Which buttons a page offers, and in words why one of them is off."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from access.decisions import one_of, roles_with
from access.resources import Resource
from clusters.models import Environment, Service, ServiceDeployment, Task
from deployments.models import Change, Kind
from deployments.pauses import Pause
from deployments.queueing import gives_way
from deployments.states import State
from deployments.verbs import verb_for

if TYPE_CHECKING:
    from access.queries import Access

GONE = "This service is gone: ECS no longer lists it."
CONTROLLER = "Its deployment controller is {}: the console changes services of controller ECS only."


@dataclass(frozen=True, slots=True)
class Button:
    """A button; with a reason it is off."""

    view: str
    label: str
    icon: str
    key: str = ""
    reason: str = ""
    is_primary: bool = False
    is_danger: bool = False
    # In development one click does it.
    is_click: bool = False
    # Set where the button leads to the page of the active change instead.
    href: str = ""
    # The roles that carry the permission, where a missing one is the reason.
    roles: str = ""


def buttons_of_service(
    service: Service,
    access: Access,
    active: Change | None,
    in_flight: ServiceDeployment | None,
    pause: Pause | None = None,
) -> list[Button]:
    """Return roll back, restart, scale and deploy, in the order of the page; before them the answer to a pause."""
    stands = standing(service)
    busy = stands or busy_text(active)
    daemon = "A DAEMON service runs one task on each instance." if is_daemon(service) else ""
    place = service.access_resource

    def button(action: str, view: str, label: str, icon: str, *obstacles: str, **looks: Any) -> Button:
        reason, roles = why_off(action, place, access, obstacles)
        return Button(view, label, icon, reason=reason, roles=roles, **looks)

    way_back = active.get_absolute_url() if active and not stands and is_stoppable(active) else ""
    yields = active is not None and not stands and gives_way(active, verb_for(Kind.ROLLBACK))
    no_way_back = "" if way_back or yields else busy
    label = "Stop and roll back" if in_flight else "Roll back"
    click = service.environment == Environment.DEVELOPMENT
    answer = (
        [button("service.deploy", "answer-pause", "Continue or roll back", "pause", stands)] if pause else []
    )
    return [
        *answer,
        button("service.rollback", "rollback", label, "back", no_way_back, key="r", href=way_back),
        button("service.restart", "restart", "Restart", "restart", busy, is_click=click),
        button("service.scale", "scale", "Scale", "scale", busy, daemon),
        button("task.run", "run-task", "Run task", "play", stands),
        button("service.deploy", "deploy", "Deploy", "deploy", busy, key="d", is_primary=True),
    ]


def why_off(action: str, place: Resource, access: Access, obstacles: Iterable[str]) -> tuple[str, str]:
    """Return why a button is off, and the roles that would turn it on where one is missing."""
    decision = access.can(action, place)
    if decision:
        return next(filter(None, obstacles), ""), ""
    # A deny is no missing role: another role would not help.
    denied = decision.binding_ids
    return decision.reason, "" if denied else one_of(roles_with(action))


def busy_text(active: Change | None) -> str:
    if active is None:
        return ""
    text = f"CR-{active.pk} is {active.state_choice.label.lower()}"
    waits = active.state in (State.AWAITING_APPROVAL, State.QUEUED)
    return f"{text}: cancel it, or wait for its end." if waits else f"{text}."


def is_stoppable(change: Change) -> bool:
    """Whether the active change is itself what can be rolled back."""
    running = change.state in (State.RUNNING, State.NEEDS_ATTENTION)
    return running and verb_for(change.kind).can_be_rolled_back(change)


def standing(service: Service) -> str:
    """Say why nothing at all can be done to a service, empty when something can."""
    if service.gone_at or service.ecs_status != "ACTIVE":
        return GONE if service.gone_at else f"This service is {service.ecs_status}."
    controller = service.deployment_controller
    return "" if controller == "ECS" else CONTROLLER.format(controller)


def is_daemon(service: Service) -> bool:
    return service.scheduling_strategy == "DAEMON"


def buttons_of_task(task: Task, access: Access, active: Change | None) -> list[Button]:
    """Return the one button of a task."""
    decision = access.can("task.stop", task.access_resource)
    reason = "" if decision else decision.reason
    if not reason and task.service is None:
        reason = "It belongs to no service: what started it must stop it."
    elif not reason and (task.last_status == "STOPPED" or task.gone_at):
        reason = "It has stopped."
    elif not reason and (task.desired_status == "STOPPED" or active):
        reason = "It is stopping."
    return [Button("stop-task", "Stop task", "x", "", reason, is_danger=True)]
