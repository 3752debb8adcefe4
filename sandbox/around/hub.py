"""What stands around ECS and follows from it: load balancing, metrics, alarms, scaling, events, the trail."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sandbox.around import target_groups, wire
from sandbox.around.load import Load
from sandbox.around.metrics import Metrics
from sandbox.around.pages import Pages
from sandbox.around.registry import Ask, handlers
from sandbox.around.series import Sources
from sandbox.messages import Answer, Request
from sandbox.ports import Caller

if TYPE_CHECKING:
    from sandbox.world import World

# Services by the name in a signature.
_SERVICES = {
    "elasticloadbalancing": "elbv2",
    "monitoring": "cloudwatch",
}


class Around:
    """The services beside ECS that one world feeds."""

    def __init__(self, world: World, *, seed: int = 7) -> None:
        self.world = world
        self.pages = Pages(lambda: world.now, seed)
        self.load = Load(seed)
        self.metrics = Metrics(Sources(world, self.load))

    def answer(self, request: Request, signed_for: str, operation: str, caller: Caller) -> Answer | None:
        """Answer a call from the world's state, None for one that is moto's."""
        service = _SERVICES.get(signed_for, signed_for)
        handler = handlers.get((service, operation))
        if handler is None or (service == "elbv2" and target_groups.is_classic(request)):
            return None
        params = wire.read(request, service, operation)
        with self.world.lock:
            result = handler(Ask(self, caller), params)
        return None if result is None else wire.write(request, service, operation, result)

    def after(
        self, request: Request, signed_for: str, operation: str, caller: Caller, answer: Answer
    ) -> None:
        """Let the world follow what moto was just told."""
        if (
            signed_for == "elasticloadbalancing"
            and operation == "ModifyTargetGroupAttributes"
            and answer.status == 200
        ):
            params = wire.read(request, "elbv2", operation)
            with self.world.lock:
                target_groups.adopt_delay(Ask(self, caller), params["TargetGroupArn"])
