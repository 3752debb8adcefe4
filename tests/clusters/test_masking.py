from __future__ import annotations

import json
import time
from typing import Any

import pytest

from clusters.hashing import as_facts, state_hash
from clusters.masking import conceal, fingerprint, mask, mask_definition

SECRET = "hunter2-hunter2"


def definition(**container: Any) -> dict[str, Any]:
    return {"family": "web", "containerDefinitions": [{"name": "app", "image": "shop/web:v1", **container}]}


@pytest.mark.parametrize(
    "container",
    [
        {"environment": [{"name": "LOG_LEVEL", "value": SECRET}]},
        {"command": ["serve", "--password", SECRET]},
        {"command": ["serve", f"--db-password={SECRET}"]},
        {"command": ["curl", "-u", f"probe:{SECRET}", "http://localhost"]},
        {"command": ["sh", "-c", f"export API_TOKEN={SECRET}; exec serve"]},
        {"entryPoint": [f"postgres://shop:{SECRET}@db.internal:5432/shop"]},
        {"dockerLabels": {"com.shop.auth-token": SECRET}},
        {"dockerLabels": {"upstream": f"https://user:{SECRET}@mirror.internal/"}},
        {"logConfiguration": {"logDriver": "splunk", "options": {"splunk-token": SECRET}}},
        {"healthCheck": {"command": ["CMD-SHELL", f"curl -H auth:{SECRET} localhost"]}},
    ],
    ids=lambda container: next(iter(container)),
)
def test_no_secret_is_kept(container: dict[str, Any]) -> None:
    assert SECRET not in json.dumps(mask_definition(definition(**container)))


def test_keys_that_show_by_their_form_are_hidden() -> None:
    masked = mask_definition(definition(command=["sync", "AKIAIOSFODNN7EXAMPLE"]))
    assert "AKIA" not in json.dumps(masked)


def test_a_variable_keeps_name_fingerprint_and_length() -> None:
    masked = mask_definition(definition(environment=[{"name": "MODE", "value": "fast"}]))
    assert masked["containerDefinitions"][0]["environment"] == [
        {"name": "MODE", "fingerprint": fingerprint("fast"), "length": 4}
    ]


def test_what_is_no_secret_stays_readable() -> None:
    container = {
        "command": ["serve", "--port", "8080", "--workers=4", "https://shop.example/path"],
        "logConfiguration": {"logDriver": "awslogs", "options": {"awslogs-group": "/ecs/web"}},
        "secrets": [{"name": "DB", "valueFrom": "arn:aws:ssm:us-east-1:111122223333:parameter/db"}],
    }
    assert mask_definition(definition(**container)) == definition(**container)


def test_masking_twice_is_masking_once() -> None:
    once = mask_definition(
        definition(
            environment=[{"name": "A", "value": "b"}],
            command=["serve", f"--password={SECRET}"],
            dockerLabels={"token": SECRET},
        )
    )
    assert mask(once) == once


def test_fingerprints_need_our_key(settings: Any) -> None:
    first = fingerprint("value")
    assert fingerprint("value") == first != fingerprint("other")
    settings.SECRET_KEY = "another key for tests"
    assert fingerprint("value") != first


def test_overrides_of_a_task_are_masked_too() -> None:
    overrides = {"containerOverrides": [{"name": "app", "environment": [{"name": "T", "value": SECRET}]}]}
    assert SECRET not in json.dumps(as_facts("task", {"taskArn": "a", "overrides": overrides}))


def test_noise_does_not_change_the_hash_and_a_hidden_value_does() -> None:
    task = {"taskArn": "a", "lastStatus": "RUNNING", "version": 3}
    assert state_hash("task", task) == state_hash("task", {**task, "version": 4})
    assert state_hash("task", task) != state_hash("task", {**task, "lastStatus": "STOPPED"})
    service = {"serviceArn": "s", "desiredCount": 2, "events": []}
    assert state_hash("service", service) == state_hash("service", {**service, "events": [{"id": "1"}]})
    assert state_hash("service", service) == state_hash("service", dict(reversed(service.items())))


@pytest.mark.parametrize(
    "text",
    [
        "curl -H 'Authorization: Bearer CANARY12345' http://localhost",
        'PASSWORD="CANARY 12345" exec app',
        "export TOKEN='CANARY12345'; exec app",
        '{"api_key": "CANARY12345"}',
        "mysql --password CANARY12345 -h db",
        "curl -f -u probe:CANARY12345 http://localhost",
        "curl --user 'probe:CANARY12345' http://localhost",
        "wget --header 'X: Basic CANARY12345'",
    ],
)
def test_secrets_within_a_line_of_shell_are_hidden(text: str) -> None:
    definition = {
        "containerDefinitions": [{"command": ["sh", "-c", text], "healthCheck": {"command": [text]}}]
    }
    masked = mask_definition(definition)
    assert "CANARY" not in str(masked)
    assert "12345" not in str(masked)
    assert mask_definition(masked) == masked, "masking twice changes nothing"


@pytest.mark.parametrize(
    "text",
    [
        f"JAVA_OPTS=-Ddb.password={SECRET}",
        f"--opts=region=eu,password={SECRET}",
        f"Server=db;Database=app;User Id=sa;Password={SECRET}",
        f"Server=db;Pwd={SECRET};Encrypt=true",
        f'FOO="x password={SECRET}"',
        f"curl https://shop.example/login?user=a&password={SECRET}",
        f"JDBC_URL=jdbc:mysql://db/app?user=u&password={SECRET}",
        f"amqp://shop:p@ss{SECRET}@queue/vhost",
        f"DB_PASS={SECRET} serve",
        f"serve --db-pass {SECRET}",
        f"SNOWFLAKE_PASSPHRASE={SECRET}",
        f"AccountName=x;AccountKey={SECRET}",
        f"ENCRYPTION_KEY={SECRET}",
        f"SESSION_COOKIE={SECRET} JWT={SECRET}",
    ],
)
def test_a_secret_within_another_value_is_hidden(text: str) -> None:
    assert SECRET not in json.dumps(mask({"command": ["sh", "-c", text], "dockerLabels": {"note": text}}))
    assert mask(mask({"command": [text]})) == mask({"command": [text]})


@pytest.mark.parametrize("word", ["a", "-", "a=", "a.b:", "://a", "eyJaaaaaaaaaa-", "-u ", "a;b=", "pass="])
def test_a_long_word_takes_no_longer_than_its_length(word: str) -> None:
    """A definition has up to 64 KiB, and whoever may register one must not stop whoever reads it."""
    long = word * (30_000 // len(word))
    before = time.process_time()
    mask({"command": [long], "dockerLabels": {"note": long}})
    assert time.process_time() - before < 1.5


def test_words_that_tell_no_secret_stay_readable() -> None:
    text = "gunicorn --bind 0.0.0.0:8080 --workers 4 app:main && curl -f http://localhost/health || exit 1"
    definition = {"containerDefinitions": [{"command": ["sh", "-c", text]}]}
    assert mask_definition(definition) == definition


def test_what_is_kept_for_ever_has_no_free_text_at_all() -> None:
    container = {
        "command": ["serve", "--banner", "harmless"],
        "entryPoint": ["harmless"],
        "healthCheck": {"command": ["CMD", "harmless"], "interval": 30},
        "dockerLabels": {"team": "harmless"},
        "logConfiguration": {"logDriver": "splunk", "options": {"splunk-source": "harmless"}},
    }
    once = conceal(mask_definition(definition(**container)))
    assert "harmless" not in json.dumps(once)
    found = once["containerDefinitions"][0]
    assert found["image"] == "shop/web:v1"
    assert found["command"][2] == f"masked:{fingerprint('harmless')}"
    assert found["healthCheck"]["interval"] == 30
    assert conceal(once) == once
