"""The fields of a deploy about rollout and service: their labels, choices and present values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from deployments.rollout_story import CANARY_SHARE, CANARY_WAIT, LINEAR_STEP, LINEAR_WAIT
from deployments.settings_rules import CANARY, LINEAR, ROLLING, STRATEGIES
from ecsconsole.numbers import is_number

Facts = Mapping[str, Any]
OFF, ON, ROLLS_BACK = "off", "on", "rollback"
GUARDS = ((OFF, "Off"), (ON, "On, without rollback"), (ROLLS_BACK, "On, rolls back"))
THRESHOLDS = (
    ("", "ECS's own threshold"),
    ("COUNT", "A number of tasks"),
    ("BOUNDED_PERCENT", "Percent of desired, 3 to 200"),
    ("UNBOUNDED_PERCENT", "Percent of desired"),
)
SWITCH = (("no", "Off"), ("yes", "On"))
PLATFORMS = ("LATEST", "1.4.0", "1.3.0")
PREFIX = "svc."


@dataclass(slots=True)
class Field:
    """One field: what is, what was typed."""

    key: str
    label: str
    current: str
    typed: str
    choices: tuple[tuple[str, str], ...] = ()
    hint: str = ""
    # Strategy to which the field belongs; it is of no use with another one.
    only: str = ""
    error: str = ""

    @property
    def name(self) -> str:
        return f"{PREFIX}{self.key}"

    @property
    def is_wide(self) -> bool:
        """Whether its choices are sentences."""
        return self.key == "strategy"

    @property
    def is_long(self) -> bool:
        """Whether it takes several lines."""
        return self.key in ("alarm_names", "providers")

    @property
    def is_changed(self) -> bool:
        return self.typed != self.current

    @property
    def now(self) -> str:
        """Return the present value as the choices name it."""
        return dict(self.choices).get(self.current, self.current) or "not set"


def rollout_fields(configuration: Facts) -> list[Field]:
    """Return the fields of the deployment configuration, in the order in which the form shows them."""
    return [*pace_fields(configuration), *guard_fields(configuration)]


def pace_fields(configuration: Facts) -> list[Field]:
    """Return the strategy and what each strategy goes by."""
    canary = configuration.get("canaryConfiguration") or {}
    linear = configuration.get("linearConfiguration") or {}
    strategies = tuple((name, f"{name}: {text}") for name, text in STRATEGIES.items())
    first, after = (
        canary.get("canaryPercent", CANARY_SHARE),
        canary.get("canaryBakeTimeInMinutes", CANARY_WAIT),
    )
    step, between = linear.get("stepPercent", LINEAR_STEP), linear.get("stepBakeTimeInMinutes", LINEAR_WAIT)
    bake, hint = configuration.get("bakeTimeInMinutes"), "old tasks stay this long as the way back"
    return [
        plain("strategy", "Strategy", configuration.get("strategy", ROLLING), choices=strategies),
        plain("canary_percent", "First share of traffic, %", first, only=CANARY),
        plain("canary_wait", "Wait after it, min", after, only=CANARY),
        plain("linear_step", "Step of traffic, %", step, only=LINEAR),
        plain("linear_wait", "Wait between steps, min", between, only=LINEAR),
        plain("bake", "Bake time, min", bake, only="shift", hint=hint),
        plain("minimum", "Minimum healthy, %", configuration.get("minimumHealthyPercent"), only=ROLLING),
        plain("maximum", "Maximum, %", configuration.get("maximumPercent"), only=ROLLING),
    ]


def guard_fields(configuration: Facts) -> list[Field]:
    """Return what ends a rollout that goes wrong: circuit breaker and alarms."""
    breaker, alarms = configuration.get("deploymentCircuitBreaker") or {}, configuration.get("alarms") or {}
    threshold = breaker.get("thresholdConfiguration") or {}
    own, acts = "ECS's own: half of desired, 3 to 200", "acts in ROLLING deployments"
    resets = yes(breaker.get("resetOnHealthyTask", True))
    return [
        plain("breaker", "Circuit breaker", guard_of(breaker), choices=GUARDS, hint=acts),
        plain("threshold", "Trips after", threshold.get("type"), choices=THRESHOLDS, hint=own),
        plain("threshold_value", "Threshold, tasks or %", threshold.get("value")),
        plain("reset", "A healthy task resets the count", resets, choices=SWITCH),
        plain("alarms", "CloudWatch alarms", guard_of(alarms), choices=GUARDS),
        plain("alarm_names", "Names of alarms, one a line", "\n".join(alarms.get("alarmNames") or [])),
    ]


def service_fields(facts: Facts, present: Facts) -> list[Field]:
    platforms = dict.fromkeys(
        [*PLATFORMS, *([present["platformVersion"]] if present.get("platformVersion") else [])]
    )
    unset = () if present.get("platformVersion") else (("", "not set"),)
    providers = "\n".join(
        f"{item['capacityProvider']} {item.get('weight', 0)} {item.get('base', 0)}"
        for item in present.get("capacityProviderStrategy") or []
    )
    launch = facts.get("launchType")
    return [
        plain(
            "platform",
            "Platform version",
            present.get("platformVersion"),
            choices=(*unset, *((name, name) for name in platforms)),
        ),
        plain(
            "providers",
            "Capacity providers, one a line",
            providers,
            hint=f"name, weight, base{f'; now the launch type {launch}' if launch and not providers else ''}",
        ),
        plain("grace", "Health check grace period, s", present.get("healthCheckGracePeriodSeconds")),
        plain("exec", "ECS Exec", yes(present.get("enableExecuteCommand")), choices=SWITCH),
        plain(
            "force",
            "Start all tasks anew",
            "no",
            choices=(("no", "Only if something needs it"), ("yes", "Yes, force a new deployment")),
        ),
    ]


def plain(key: str, label: str, current: Any, **more: Any) -> Field:
    text = "" if current is None else f"{current:g}" if isinstance(current, float) else str(current)
    return Field(key, label, text, text, **more)


def yes(value: Any) -> str:
    return "yes" if value else "no"


def guard_of(guard: Facts) -> str:
    if not guard.get("enable"):
        return OFF
    return ROLLS_BACK if guard.get("rollback") else ON


def check_number(item: Field) -> None:
    if item.is_changed and item.typed and not is_number(item.typed.replace(".", "", 1)):
        item.error = f"{item.label.split(',')[0]} is a number."


def whole(text: str) -> Any:
    """Return a number as JSON has it: whole where it is."""
    number = float(text)
    return int(number) if number.is_integer() else number
