from __future__ import annotations

import pytest

from clusters.definition_view import split_image, view_definition


@pytest.mark.parametrize(
    ("reference", "repository", "tag", "digest"),
    [
        ("nginx", "nginx", "", ""),
        ("shop/app:v1", "shop/app", "v1", ""),
        ("localhost:5000/app", "localhost:5000/app", "", ""),
        ("localhost:5000/app:v2", "localhost:5000/app", "v2", ""),
        ("shop/app@sha256:abc", "shop/app", "", "sha256:abc"),
        ("shop/app:v1@sha256:abc", "shop/app", "v1", "sha256:abc"),
        ("", "", "", ""),
    ],
)
def test_images_are_cut_where_people_cut_them(reference: str, repository: str, tag: str, digest: str) -> None:
    image = split_image(reference)
    assert (image.repository, image.tag, image.digest) == (repository, tag, digest)


def test_the_readable_view_carries_lengths_and_never_values() -> None:
    container = {
        "name": "app",
        "environment": [
            {"name": "Z", "fingerprint": "ff", "length": 3},
            {"name": "API_KEY", "fingerprint": "aa"},
        ],
        "secrets": [{"name": "DB", "valueFrom": "arn:x"}],
    }
    (view,) = view_definition({"containerDefinitions": [container]}).containers
    assert [(item.name, item.length, item.looks_secret) for item in view.environment] == [
        ("API_KEY", None, True),
        ("Z", 3, False),
    ]
    assert view.secrets == [("DB", "arn:x")]


def test_numbers_get_their_units() -> None:
    container = {"name": "app", "cpu": 256, "memory": 2048, "stopTimeout": 30, "healthCheck": {"interval": 5}}
    view = view_definition({"cpu": "512", "memory": "4096", "containerDefinitions": [container]})
    assert ("Task CPU", "512 (0.5 vCPU)") in view.facts
    assert ("Task memory", "4,096 MiB") in view.facts
    (app,) = view.containers
    assert app.resources == [("CPU", "256 (0.25 vCPU)"), ("Memory limit", "2,048 MiB")]
    assert app.runs == [("Stop timeout", "30 s")]
    assert app.health_check == [("Interval", "5 s")]


def test_ports_say_what_is_special_about_them() -> None:
    ports = [
        {"containerPort": 80, "hostPort": 80},
        {"containerPort": 80, "hostPort": 0, "protocol": "udp"},
        {"containerPort": 8080, "name": "http"},
        {"containerPortRange": "1-9"},
    ]
    (view,) = view_definition({"containerDefinitions": [{"name": "a", "portMappings": ports}]}).containers
    assert view.ports == ["80/tcp", "80/udp, host port dynamic", "8080/tcp, named http", "1-9/tcp"]


def test_what_the_view_does_not_know_is_kept_for_everything_else() -> None:
    view = view_definition(
        {"enableFaultInjection": True, "containerDefinitions": [{"name": "a", "hostname": "h"}]}
    )
    assert view.rest == {"enableFaultInjection": True}
    assert view.containers[0].rest == {"hostname": "h"}


@pytest.mark.parametrize(
    "facts", [{}, {"containerDefinitions": None}, {"containerDefinitions": [{}], "volumes": [{}]}]
)
def test_missing_fields_are_no_trouble(facts: dict[str, object]) -> None:
    assert view_definition(facts).rest == {}
