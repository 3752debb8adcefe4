"""Blue/green, linear and canary deployments: their lifecycle stages, traffic weights and hooks."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from sandbox import announce, rollout, scheduler, wording
from sandbox.ports import ApiError
from sandbox.state import Document, Hook, Service, ServiceDeployment

if TYPE_CHECKING:
    from sandbox.world import World

ORDER = (
    "RECONCILE_SERVICE",
    "PRE_SCALE_UP",
    "SCALE_UP",
    "POST_SCALE_UP",
    "TEST_TRAFFIC_SHIFT",
    "POST_TEST_TRAFFIC_SHIFT",
    "PRE_PRODUCTION_TRAFFIC_SHIFT",
    "PRODUCTION_TRAFFIC_SHIFT",
    "POST_PRODUCTION_TRAFFIC_SHIFT",
    "BAKE_TIME",
    "CLEAN_UP",
)
# Only hooks know this stage, which comes before every step of traffic; the API goes on showing the one before.
HOOKS_ONLY = "PRE_PRODUCTION_TRAFFIC_SHIFT"
BEFORE_STEP = ORDER.index(HOOKS_ONLY)
NO_PAUSE = frozenset({"TEST_TRAFFIC_SHIFT", "PRODUCTION_TRAFFIC_SHIFT"})
SCALE_UP, CLEAN_UP = ORDER.index("SCALE_UP"), ORDER.index("CLEAN_UP")
BETWEEN = (1.0, 3.0)
SHIFT = (5.0, 15.0)
LAMBDA = (4.0, 12.0)
DEFAULT_BAKE_MINUTES = 15
DEFAULT_TIMEOUT_MINUTES = 1440
LINEAR_STEP, LINEAR_BAKE_MINUTES = 10.0, 6
CANARY_SHARE, CANARY_BAKE_MINUTES = 5.0, 10


def check(configuration: Document) -> None:
    """Refuse hooks that ECS refuses."""
    for hook in configuration.get("lifecycleHooks") or []:
        pauses = hook.get("targetType", "AWS_LAMBDA") == "PAUSE"
        stages = set(hook.get("lifecycleStages") or ())
        if not stages:
            raise ApiError(
                "InvalidParameterException", "Lifecycle hooks must name at least one lifecycle stage."
            )
        if pauses and stages & NO_PAUSE:
            raise ApiError(
                "InvalidParameterException",
                "PAUSE hooks are not supported at the traffic shift lifecycle stages.",
            )
        if not pauses and not hook.get("hookTargetArn"):
            raise ApiError(
                "InvalidParameterException", "AWS_LAMBDA lifecycle hooks must have a hookTargetArn."
            )


def is_staged(entry: ServiceDeployment | None) -> bool:
    """Whether a service deployment goes forward by stages; a rollback of one no longer does."""
    if entry is None or entry.configuration.get("strategy", "ROLLING") == "ROLLING":
        return False
    return entry.status in ("PENDING", "IN_PROGRESS", "STOP_REQUESTED", "ROLLBACK_REQUESTED")


def may_launch(entry: ServiceDeployment) -> bool:
    return entry.position >= SCALE_UP


def may_retire(entry: ServiceDeployment) -> bool:
    return entry.position >= CLEAN_UP


def start(world: World, service: Service, entry: ServiceDeployment) -> None:
    """Enter the first stage; traffic is on the old revisions."""
    entry.target.test_weight = entry.target.production_weight = 0.0
    for source in entry.sources:
        source.test_weight, source.production_weight = 0.0, 0.0
    # The revision that serves comes first: a superseded one beside it has no traffic.
    serving = service.last_good.arn if service.last_good else ""
    entry.sources.sort(key=lambda source: source.arn != serving)
    if entry.sources:
        entry.sources[0].production_weight = 100.0
    several = len(entry.sources) > 1
    _enter(world, service, entry, 0 if several else 1)


def _enter(world: World, service: Service, entry: ServiceDeployment, position: int) -> None:
    stage = ORDER[position]
    entry.position, entry.updated_at = position, world.now
    if stage != HOOKS_ONLY:
        entry.stage = stage
    for hook in entry.configuration.get("lifecycleHooks") or []:
        if stage in (hook.get("lifecycleStages") or ()):
            _call_hook(world, service, entry, hook)
    if not _unresolved(entry):
        _work(world, service, entry)


def _unresolved(entry: ServiceDeployment) -> bool:
    return any(hook.status in ("AWAITING_ACTION", "IN_PROGRESS") for hook in entry.hooks)


def _later(world: World, entry: ServiceDeployment, seconds: float, step: Callable[[], None]) -> None:
    """Set a step of the present stage; it does nothing once the deployment has left the stage."""
    position = entry.position

    def run() -> None:
        if entry.status == "IN_PROGRESS" and entry.position == position:
            step()

    world.clock.after(seconds, run)


def _call_hook(world: World, service: Service, entry: ServiceDeployment, hook: Document) -> None:
    kind = hook.get("targetType", "AWS_LAMBDA")
    timeout = hook.get("timeoutConfiguration") or {}
    if kind == "PAUSE":
        minutes = timeout.get("timeoutInMinutes", DEFAULT_TIMEOUT_MINUTES)
        # People take their time however fast the world is.
        until = world.now + timedelta(minutes=minutes)
        waiting = Hook(
            id=f"ecs-pause-{world.ids.service_deployment()}{world.ids.service_deployment()}",
            kind=kind,
            target_arn="",
            status="AWAITING_ACTION",
            expires_at=until,
            timeout_action=timeout.get("action", "ROLLBACK"),
        )
        entry.hooks.append(waiting)
        announce.hook(world, service, entry, waiting)
        world.clock.at(until, lambda: _expire(world, service, entry, waiting))
        return
    called = Hook(f"ecs-lambda-{world.ids.service_deployment()}", kind, hook["hookTargetArn"], "IN_PROGRESS")
    entry.hooks.append(called)
    _later(world, entry, world.rng.uniform(*LAMBDA), lambda: _answer(world, service, entry, called))


def _expire(world: World, service: Service, entry: ServiceDeployment, hook: Hook) -> None:
    if hook.status == "AWAITING_ACTION" and entry.status == "IN_PROGRESS":
        _resolve(world, service, entry, hook, "TIMED_OUT", go_on=hook.timeout_action == "CONTINUE")


def _answer(world: World, service: Service, entry: ServiceDeployment, hook: Hook) -> None:
    """Let a Lambda hook answer: well, unless the world was told that this function fails."""
    fails = hook.target_arn in world.failing_hooks
    _resolve(world, service, entry, hook, "FAILED" if fails else "SUCCEEDED", go_on=not fails)


def proceed(world: World, service: Service, entry: ServiceDeployment, hook_id: str, action: str) -> None:
    """Resolve a pause hook as its caller wishes."""
    hook = next((item for item in entry.hooks if item.id == hook_id), None)
    if hook is None or hook.status != "AWAITING_ACTION" or entry.status != "IN_PROGRESS":
        raise ApiError(
            "InvalidParameterException",
            f"The lifecycle hook {hook_id} is not awaiting action in this deployment.",
        )
    _resolve(world, service, entry, hook, "SUCCEEDED", go_on=action == "CONTINUE")


def _resolve(
    world: World, service: Service, entry: ServiceDeployment, hook: Hook, status: str, *, go_on: bool
) -> None:
    hook.status, entry.updated_at = status, world.now
    if not go_on:
        rollout.give_up(world, service, entry, wording.hook_rollback(hook.id))
    elif not _unresolved(entry):
        _work(world, service, entry)


def _work(world: World, service: Service, entry: ServiceDeployment) -> None:
    """Do what a stage is for, then go on to the next."""
    stage = ORDER[entry.position]
    if stage in ("SCALE_UP", "CLEAN_UP"):
        scheduler.look_soon(world, service)
    elif stage == "TEST_TRAFFIC_SHIFT":
        entry.target.test_weight = 100.0
        _later(world, entry, world.rng.uniform(*SHIFT), lambda: leave(world, service, entry))
    elif stage == "PRODUCTION_TRAFFIC_SHIFT":
        _shift(world, service, entry)
    elif stage == "BAKE_TIME":
        minutes = entry.configuration.get("bakeTimeInMinutes", DEFAULT_BAKE_MINUTES)
        _later(world, entry, minutes * 60, lambda: leave(world, service, entry))
    else:
        _later(world, entry, world.rng.uniform(*BETWEEN), lambda: leave(world, service, entry))


def steps(configuration: Document) -> list[tuple[float, float]]:
    """Return the steps of the production shift: percent on the new revision, and seconds to wait there."""
    strategy = configuration.get("strategy")
    if strategy == "LINEAR":
        chosen = configuration.get("linearConfiguration") or {}
        step = float(chosen.get("stepPercent", LINEAR_STEP))
        bake = 60.0 * chosen.get("stepBakeTimeInMinutes", LINEAR_BAKE_MINUTES)
        shares = [step * number for number in range(1, int(100 / step) + 1) if step * number < 100]
        return [(share, bake) for share in shares] + [(100.0, 0.0)]
    if strategy == "CANARY":
        chosen = configuration.get("canaryConfiguration") or {}
        bake = 60.0 * chosen.get("canaryBakeTimeInMinutes", CANARY_BAKE_MINUTES)
        return [(float(chosen.get("canaryPercent", CANARY_SHARE)), bake), (100.0, 0.0)]
    return [(100.0, 0.0)]


def _shift(world: World, service: Service, entry: ServiceDeployment) -> None:
    """Make the next step of traffic and wait there; before another one its hooks are called again."""
    planned = steps(entry.configuration)
    share, bake = planned[len(entry.shifts)]
    set_weights(world, entry, share)
    entry.updated_at = world.now
    wait = world.rng.uniform(*SHIFT) + bake
    if len(entry.shifts) < len(planned):
        _later(world, entry, wait, lambda: _enter(world, service, entry, BEFORE_STEP))
    else:
        _later(world, entry, wait, lambda: leave(world, service, entry))


def set_weights(world: World, entry: ServiceDeployment, share: float) -> None:
    """Put a share of production traffic on the new revision and the rest on the old one."""
    entry.shifts.append((world.now, share))
    entry.target.production_weight = share
    if entry.sources:
        entry.sources[0].production_weight = 100.0 - share


def leave(world: World, service: Service, entry: ServiceDeployment) -> None:
    """Go on to the next stage, unless the deployment is being called off."""
    if entry.status != "IN_PROGRESS":
        return
    _enter(world, service, entry, entry.position + 1)
