"""What stands around ECS and follows from it: load balancing, metrics, alarms, scaling, events, the trail."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from sandbox.announce import Announcement
from sandbox.around import alarm_operations, layers, quotas, scaling_operations, subnets, target_groups, wire
from sandbox.around.alarms import Alarm, Alarms, Place
from sandbox.around.front import Front
from sandbox.around.load import Load
from sandbox.around.metrics import Metrics
from sandbox.around.pages import Pages
from sandbox.around.registry import Ask, handlers
from sandbox.around.scaling import Scaling
from sandbox.around.series import Sources
from sandbox.around.trail import Origin, Trail
from sandbox.messages import Answer, Request
from sandbox.ports import Caller

if TYPE_CHECKING:
    from sandbox.world import World

# CloudTrail promises its events within a quarter of an hour; five minutes are usual.
TRAIL_DELAY = 300.0
SCALING_HOST = "ecs.application-autoscaling.amazonaws.com"
# Their functions register themselves.
_OPERATIONS = (alarm_operations, layers, quotas, scaling_operations, subnets, target_groups)
# Services by the name in a signature.
_SERVICES = {
    "elasticloadbalancing": "elbv2",
    "monitoring": "cloudwatch",
    "servicequotas": "service-quotas",
}


class Around:
    """The services beside ECS that one world feeds."""

    def __init__(
        self, world: World, *, seed: int = 7, trail_delay: float = TRAIL_DELAY, read_lag: float = 0.0
    ) -> None:
        self.world = world
        self.pages = Pages(lambda: world.now, seed)
        self.front = Front(world, self.pages, read_lag)
        self.load = Load(seed)
        self.metrics = Metrics(Sources(world, self.load))
        self.alarms = Alarms(self.metrics)
        world.alarms_in_alarm = self.alarms.in_alarm
        self.scaling = Scaling(self, seed)
        self.alarms.listeners += [self._on_alarm, self.scaling.on_alarm]
        self.trail = Trail(lambda: world.now, seed, timedelta(seconds=trail_delay))
        self._awake = False

    def answer(self, request: Request, signed_for: str, operation: str, caller: Caller) -> Answer | None:
        """Answer a call from the world's state, None for one that is moto's."""
        service = _SERVICES.get(signed_for, signed_for)
        handler = handlers.get((service, operation))
        if handler is None or (service == "elbv2" and target_groups.is_classic(request)):
            return None
        params = wire.read(request, service, operation)
        with self.world.lock:
            result = handler(Ask(self, caller, request.headers.get("host", "")), params)
        return None if result is None else wire.write(request, service, operation, result)

    def after(
        self, request: Request, signed_for: str, operation: str, caller: Caller, answer: Answer
    ) -> None:
        """Let the world follow what moto was just told."""
        if answer.status >= 400:
            return
        if signed_for == "events" and operation in ("PutRule", "PutTargets", "EnableRule"):
            self.deliver_events()
        elif signed_for == "elasticloadbalancing" and operation == "ModifyTargetGroupAttributes":
            params = wire.read(request, "elbv2", operation)
            with self.world.lock:
                target_groups.adopt_delay(Ask(self, caller), params["TargetGroupArn"])

    def act(self, caller: Caller, operation: str, params: dict[str, Any]) -> dict[str, Any]:
        """Make an ECS call as Application Auto Scaling, and leave it in the trail."""
        output = self.world.call(caller, operation, params)
        self.trail.note(caller, "ecs", operation, params, origin=Origin(invoked_by=SCALING_HOST))
        return output

    def deliver_events(self) -> None:
        """Carry ECS's events to EventBridge; worlds without a rule need not even write them."""
        # moto's events are loaded by those who want them.
        from sandbox.event_bus import deliver

        if deliver not in self.world.listeners:
            self.world.listeners.append(deliver)

    def wake(self) -> None:
        """Begin to look at alarms and scaling at every full minute; worlds with neither never do."""
        if not self._awake:
            self._awake = True
            self._next_minute()

    def _next_minute(self) -> None:
        now = self.world.now
        self.world.clock.at(now.replace(second=0, microsecond=0) + timedelta(minutes=1), self._minute)

    def _minute(self) -> None:
        if not len(self.alarms) and not len(self.scaling):
            self._awake = False
            return
        self._next_minute()
        self.alarms.evaluate()
        self.scaling.tick()

    def _on_alarm(self, place: Place, alarm: Alarm, before: str) -> None:
        """Tell deployments and EventBridge of an alarm that has changed its state."""
        if alarm.state == before:
            return
        if alarm.state == "ALARM":
            self.world.raise_alarm(*place, alarm.name)
        detail = {
            "alarmName": alarm.name,
            "state": {
                "value": alarm.state,
                "reason": alarm.reason,
                "timestamp": self.world.now.isoformat(timespec="milliseconds"),
            },
            "previousState": {"value": before},
        }
        announcement = Announcement(
            *place, "CloudWatch Alarm State Change", self.world.now, (alarm.arn,), detail, "aws.cloudwatch"
        )
        for listener in self.world.listeners:
            listener(announcement)
