"""Which buttons a page offers, and in words why one of them is off."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from clusters.models import Environment, Service, ServiceDeployment, Task
from deployments.models import Change

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

    @property
    def ident(self) -> str:
        return f"why-{self.view}"


def buttons_of_service(
    service: Service, access: Access, active: Change | None, in_flight: ServiceDeployment | None
) -> list[Button]:
    """Return roll back, restart, scale and deploy, in the order of the page."""
    place = service.access_resource
    click = service.environment == Environment.DEVELOPMENT
    stands = standing(service)
    busy = stands or (f"CR-{active.pk} is {active.state_choice.label.lower()}." if active else "")
    daemon = "A DAEMON service runs one task on each instance." if is_daemon(service) else ""
    back = "Stop and roll back" if in_flight else "Roll back"

    def why(action: str, *obstacles: str) -> str:
        decision = access.can(action, place)
        return decision.reason if not decision else next(filter(None, obstacles), "")

    return [
        Button("rollback", back, "back", "r", why("service.rollback", busy)),
        Button("restart", "Restart", "restart", "", why("service.restart", busy), is_click=click),
        Button("scale", "Scale", "scale", "", why("service.scale", busy, daemon)),
        Button("deploy", "Deploy", "deploy", "d", why("service.deploy", busy), is_primary=True),
    ]


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
