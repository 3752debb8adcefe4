"""The composer's fields of rollout, service and any field: what they ask for, and where their errors stand."""

from __future__ import annotations

import html as markup
import json
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.http import QueryDict
from django.test import Client

from clusters.models import Service
from deployments.composition import compose
from deployments.definition_text import document_of, mark_of, text_of
from deployments.definitions import masked_definition
from deployments.models import Change
from deployments.prefill import take_change
from deployments.preflight import surroundings
from deployments.sealing import seal
from deployments.service_form import read_service
from deployments.states import State
from tests.builders import make_change
from tests.deployments.pages import Registry, at, deployable, registry

__all__ = ["registry"]
AsPerson = Callable[[str], Client]
FACTS: dict[str, Any] = {
    "launchType": "FARGATE",
    "platformVersion": "LATEST",
    "deploymentConfiguration": {
        "strategy": "ROLLING",
        "minimumHealthyPercent": 100,
        "maximumPercent": 200,
        "deploymentCircuitBreaker": {"enable": True, "rollback": True},
    },
}


@pytest.fixture(autouse=True)
def no_looks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave AWS out: what the checks look at is not what is tested here."""
    monkeypatch.setattr(surroundings, "gather", lambda looks: [])


def form(**fields: Any) -> QueryDict:
    data = QueryDict(mutable=True)
    for name, value in fields.items():
        data.setlist(f"svc.{name}", value if isinstance(value, list) else [value])
    return data


def definition_of(service: Service) -> dict[str, Any]:
    return masked_definition(service, service.task_definition_arn)


def shown_text(page: str) -> str:
    return markup.unescape(page.split('id="f-definition"', 1)[1].split(">", 1)[1].split("</textarea>", 1)[0])


def test_fields_that_come_back_as_they_were_ask_for_nothing() -> None:
    untouched = read_service(FACTS, form())
    sent = form(**{item.key: item.current for item in untouched.fields.values()}, pause=[""])
    assert read_service(FACTS, sent).spec == {}
    assert read_service({}, form()).spec == {}


@pytest.mark.parametrize(
    ("fields", "asked"),
    [
        (
            {"strategy": "CANARY", "canary_percent": "12.5", "bake": "30"},
            {
                "strategy": "CANARY",
                "bakeTimeInMinutes": 30,
                "canaryConfiguration": {"canaryPercent": 12.5, "canaryBakeTimeInMinutes": 10},
            },
        ),
        ({"minimum": "50", "maximum": "150"}, {"minimumHealthyPercent": 50, "maximumPercent": 150}),
        (
            {"breaker": "on", "threshold": "COUNT", "threshold_value": "5", "reset": "no"},
            {
                "deploymentCircuitBreaker": {
                    "enable": True,
                    "rollback": False,
                    "resetOnHealthyTask": False,
                    "thresholdConfiguration": {"type": "COUNT", "value": 5},
                }
            },
        ),
        (
            {"alarms": "rollback", "alarm_names": "errors\r\nlatency"},
            {"alarms": {"enable": True, "rollback": True, "alarmNames": ["errors", "latency"]}},
        ),
        (
            {
                "strategy": "BLUE_GREEN",
                "bake": "0",
                "pause": ["", "POST_SCALE_UP"],
                "pause_minutes.POST_SCALE_UP": "60",
            },
            {
                "strategy": "BLUE_GREEN",
                "bakeTimeInMinutes": 0,
                "lifecycleHooks": [
                    {
                        "targetType": "PAUSE",
                        "lifecycleStages": ["POST_SCALE_UP"],
                        "timeoutConfiguration": {"timeoutInMinutes": 60, "action": "ROLLBACK"},
                    }
                ],
            },
        ),
    ],
)
def test_rollout_fields_ask_for_a_deployment_configuration(
    fields: dict[str, Any], asked: dict[str, Any]
) -> None:
    assert read_service(FACTS, form(**fields)).spec == {"deploymentConfiguration": asked}


def test_service_fields_ask_for_settings_and_force_where_ecs_wants_it() -> None:
    spec = read_service(
        FACTS, form(platform="1.4.0", grace="30", exec="yes", providers="FARGATE_SPOT 3\nFARGATE 1 1")
    ).spec
    assert spec == {
        "platformVersion": "1.4.0",
        "healthCheckGracePeriodSeconds": 30,
        "enableExecuteCommand": True,
        "forceNewDeployment": True,
        "capacityProviderStrategy": [
            {"capacityProvider": "FARGATE_SPOT", "weight": 3, "base": 0},
            {"capacityProvider": "FARGATE", "weight": 1, "base": 1},
        ],
    }


def test_hooks_that_call_functions_stay_when_pauses_change() -> None:
    hook = {"hookTargetArn": "arn:f", "roleArn": "arn:r", "lifecycleStages": ["PRE_SCALE_UP"]}
    facts = {"deploymentConfiguration": {"strategy": "BLUE_GREEN", "lifecycleHooks": [hook]}}
    asked = read_service(facts, form(pause=["", "POST_SCALE_UP"])).spec["deploymentConfiguration"][
        "lifecycleHooks"
    ]
    assert asked[0] == hook
    assert asked[1]["lifecycleStages"] == ["POST_SCALE_UP"]


def paused(*stages: str, **limit: Any) -> dict[str, Any]:
    return {"targetType": "PAUSE", "lifecycleStages": list(stages), "timeoutConfiguration": limit}


def hooks_asked(hooks: list[dict[str, Any]], **fields: Any) -> Any:
    """Return the hooks that a form asks for on top of these, None where it leaves them as they are."""
    facts = {"deploymentConfiguration": {"strategy": "BLUE_GREEN", "lifecycleHooks": hooks}}
    return read_service(facts, form(**fields)).spec.get("deploymentConfiguration", {}).get("lifecycleHooks")


def test_each_stage_pauses_for_its_own_time_and_equal_ones_share_a_hook() -> None:
    fields = {
        "pause": ["", "POST_SCALE_UP", "POST_TEST_TRAFFIC_SHIFT", "POST_PRODUCTION_TRAFFIC_SHIFT"],
        "pause_minutes.POST_TEST_TRAFFIC_SHIFT": "30",
        "pause_action.POST_TEST_TRAFFIC_SHIFT": "CONTINUE",
        # Of a stage that is not chosen nothing counts, not even a mistake.
        "pause_minutes.PRE_SCALE_UP": "soon",
    }
    assert hooks_asked([], **fields) == [
        paused("POST_SCALE_UP", "POST_PRODUCTION_TRAFFIC_SHIFT", action="ROLLBACK", timeoutInMinutes=1440),
        paused("POST_TEST_TRAFFIC_SHIFT", action="CONTINUE", timeoutInMinutes=30),
    ]


def test_pauses_that_are_left_stay_as_they_are() -> None:
    plain = {"targetType": "PAUSE", "lifecycleStages": ["PRE_SCALE_UP"]}
    second = paused("POST_SCALE_UP", action="CONTINUE", timeoutInMinutes=5)
    present = [plain, paused("POST_SCALE_UP", action="ROLLBACK", timeoutInMinutes=60), second]
    stages = ["", "PRE_SCALE_UP", "POST_SCALE_UP"]
    assert hooks_asked(present) is None
    assert hooks_asked(present, pause=stages) is None
    asked = hooks_asked(present, pause=stages, **{"pause_minutes.POST_SCALE_UP": "90"})
    assert asked == [second, plain, paused("POST_SCALE_UP", action="ROLLBACK", timeoutInMinutes=90)]
    assert hooks_asked(present, pause=[""]) == [second]


def test_mistakes_in_pauses_stand_at_their_stage(as_: AsPerson, registry: Registry) -> None:
    service, alice = deployable("development"), as_("alice")
    base = {
        "svc.strategy": "BLUE_GREEN",
        "svc.bake": "5",
        "svc.pause": ["", "POST_SCALE_UP", "POST_TEST_TRAFFIC_SHIFT"],
        "do": "request",
    }
    for typed, says in (("soon", "Waits at most is a number."), ("99999", "lies between 1 and 20,160")):
        fields = {**base, "svc.pause_minutes.POST_TEST_TRAFFIC_SHIFT": typed}
        answer = alice.post(at("deploy", service), fields)
        assert answer.status_code == 422
        page = answer.content.decode()
        field = page.split('id="f-svc.pause_minutes.POST_TEST_TRAFFIC_SHIFT"', 1)[1].split("</div>", 1)[0]
        assert f'value="{typed}"' in field
        assert says in field
        assert not Change.objects.exists()


def test_an_older_change_opens_with_its_pauses(
    people: dict[str, User], as_: AsPerson, registry: Registry
) -> None:
    service = deployable("development")
    hooks = [
        paused("POST_SCALE_UP", action="CONTINUE", timeoutInMinutes=15),
        paused("PRE_PRODUCTION_TRAFFIC_SHIFT", action="ROLLBACK", timeoutInMinutes=45),
    ]
    configuration = {"strategy": "BLUE_GREEN", "bakeTimeInMinutes": 5, "lifecycleHooks": hooks}
    spec = {"service": {"deploymentConfiguration": configuration}}
    change = make_change(service, people["alice"], State.STALE, spec=spec)
    page = as_("alice").get(at("deploy", service), {"change": change.pk}).content.decode()
    for stage, wait in (("POST_SCALE_UP", "15"), ("PRE_PRODUCTION_TRAFFIC_SHIFT", "45")):
        assert f'name="svc.pause" value="{stage}" checked' in page
        assert f'name="svc.pause_minutes.{stage}" value="{wait}"' in page
    assert "Pauses for a person, 2 chosen" in page


def test_what_was_typed_wrong_is_kept_with_the_error_at_its_field(as_: AsPerson, registry: Registry) -> None:
    fields = {"svc.bake": "soon", "svc.providers": "FARGATE lots", "do": "request"}
    answer = as_("alice").post(at("deploy", deployable("development")), fields)
    page = answer.content.decode()
    assert answer.status_code == 422
    assert 'value="soon"' in page
    assert "Bake time is a number." in page
    assert "is no line of name, weight and base" in markup.unescape(page)


def test_an_error_of_the_engine_stands_at_its_field(as_: AsPerson, registry: Registry) -> None:
    service = deployable("development")
    page = as_("alice").post(at("deploy", service), {"svc.strategy": "CANARY", "svc.bake": "5", "do": "plan"})
    field = page.content.decode().split('id="f-svc.strategy"', 1)[1].split("</div>", 1)[0]
    assert 'aria-invalid="true"' in field
    assert "moves traffic step by step" in field


def test_settings_are_asked_for_by_the_form(as_: AsPerson, registry: Registry) -> None:
    service, alice = deployable("development"), as_("alice")
    page = alice.post(at("deploy", service), {"svc.exec": "yes", "do": "plan"}).content.decode()
    assert "No task starts or stops" in page
    assert "--enable-execute-command" in page
    assert "ecs:RegisterTaskDefinition" not in page
    answer = alice.post(at("deploy", service), {"svc.exec": "yes", "do": "request"})
    assert answer.status_code == 303
    assert Change.objects.get().spec == {"service": {"enableExecuteCommand": True}}


def test_the_definition_as_json_round_trips_and_adds_a_member(as_: AsPerson, registry: Registry) -> None:
    service, alice = deployable("development"), as_("alice")
    text = shown_text(alice.get(at("deploy", service)).content.decode())
    untouched = {"definition": text.replace("\n", "\r\n"), "definition_mark": mark_of(text), "do": "plan"}
    assert "Nothing yet." in alice.post(at("deploy", service), untouched).content.decode()
    document = json.loads(text)
    document["containerDefinitions"][0]["ulimits"] = [{"name": "nofile", "softLimit": 1, "hardLimit": 2}]
    alice.post(at("deploy", service), {"definition": json.dumps(document), "do": "request"})
    patch = Change.objects.get().spec["definition"]["containerDefinitions"]
    assert patch == {"app": {"ulimits": [{"name": "nofile", "softLimit": 1, "hardLimit": 2}]}}


def test_a_mistake_in_the_json_names_path_and_line_and_hides_what_is_secret(
    as_: AsPerson, registry: Registry
) -> None:
    service, alice = deployable("development"), as_("alice")
    document = document_of(definition_of(service))
    document["containerDefinitions"][0]["ulimit"] = []
    document["containerDefinitions"][0]["environment"].append({"name": "NEW", "value": "canary-value"})
    text = json.dumps(document, indent=2)
    answer = alice.post(at("deploy", service), {"definition": text, "do": "request"})
    page = markup.unescape(answer.content.decode())
    line = text[: text.index('"ulimit"')].count("\n") + 1
    assert answer.status_code == 422
    assert f"Line {line}: containerDefinitions[0].ulimit: There is no member ulimit" in page
    assert "Did you mean ulimits?" in page
    assert "canary-value" not in page
    assert '"sealed": "' in shown_text(answer.content.decode())


def test_a_text_of_another_revision_is_not_taken(db: None, registry: Registry) -> None:
    service = deployable("development")
    definition = definition_of(service)
    data = QueryDict(mutable=True)
    data["definition"] = (
        text_of(document_of(definition)).replace("awsvpc", "host").replace('"memory"', '"memory" ')
    )
    data["definition_of"] = "arn:aws:ecs:us-east-1:111122223333:task-definition/checkout-api:1"
    found = compose(definition, data)
    assert "is of another revision" in found.errors["definition"]
    assert "definition" not in found.spec


def test_editing_a_request_starts_from_it_and_takes_its_place(
    people: dict[str, User], as_: AsPerson, registry: Registry
) -> None:
    service, alice = deployable("development"), as_("alice")
    spec = {
        "containers": {"app": {"memory": 768, "environment": {"LOG_LEVEL": seal("canary-value")}}},
        "definition": {"containerDefinitions": {"app": {"stopTimeout": 30}}},
        "service": {"deploymentConfiguration": {"minimumHealthyPercent": 50}},
    }
    old = make_change(service, people["alice"], State.QUEUED, spec=spec)
    page = alice.get(at("deploy", service), {"from": old.pk}).content.decode()
    assert f"takes the place of CR-{old.pk}" in page
    assert f'name="replaces" value="{old.pk}"' in page
    assert '"stopTimeout": 30' in shown_text(page)
    assert "minimum healthy changed" in page
    assert "canary-value" not in page
    data = QueryDict(mutable=True)
    request: Any = type(
        "Request",
        (),
        {
            "GET": {"from": str(old.pk)},
            "access": type("All", (), {"visible": staticmethod(lambda rows: rows)}),
        },
    )
    take_change(data, request, service, definition_of(service), old.pk)
    data["do"] = "request"
    answer = alice.post(at("deploy", service), dict(data.lists()))
    assert answer.status_code == 303, obstacle(answer)
    new = Change.objects.exclude(pk=old.pk).get()
    old.refresh_from_db()
    assert (new.replaces_id, old.state) == (old.pk, State.CANCELLED)
    assert new.spec["definition"] == spec["definition"]
    assert new.spec["service"] == spec["service"]
    assert new.spec["containers"]["app"]["memory"] == 768


def obstacle(answer: Any) -> str:
    """Return what stands in the way on a page, for the message of a test that fails."""
    return markup.unescape(answer.content.decode()).partition('id="obstacle"')[2][:600]


def test_a_plan_shows_its_parameters_and_no_secret(as_: AsPerson, registry: Registry) -> None:
    service = deployable("development")
    fields = {"env-name.app": "NEW_TOKEN", "env-value.app": "canary-value", "svc.minimum": "50", "do": "plan"}
    page = markup.unescape(as_("alice").post(at("deploy", service), fields).content.decode())
    assert '"minimumHealthyPercent": 50' in page
    assert '"taskDefinition": "checkout-api:<new revision>"' in page
    assert '"name": "NEW_TOKEN"' in page
    assert "canary-value" not in page
