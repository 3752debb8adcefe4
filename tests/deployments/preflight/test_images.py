"""Images: for what they were built, their scans, and how long they are kept."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest

from aws import downloads
from aws.ecr import ImageTag
from deployments.plans import OK, REFUSE, WARN
from deployments.preflight import gathering
from deployments.preflight.images import Asked, architecture_check, expiry_check, scan_check
from tests.deployments.preflight.world import SCOPE, Definition, check, definition, found
from tests.deployments.rig import REPOSITORY, Rig

IMAGE = ImageTag("v1", "sha256:" + "a" * 64, None, None)
ON_X86 = Asked("X86_64", "linux")
ON_ARM = Asked("ARM64", "linux")
ON_WINDOWS = Asked("X86_64", "windows")
ON_INSTANCES = Asked("", "linux")
ARM = ("linux", "arm64")
INTEL = ("linux", "amd64")


@pytest.fixture
def ecr_says(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Let ECR answer what the sandbox's registry does not hold, by operation."""
    said: dict[str, Any] = {}
    monkeypatch.setattr("aws.ecr.read", lambda scope, service, operation, **params: said[operation])
    return said


def manifest(document: dict[str, Any]) -> dict[str, Any]:
    return {"images": [{"imageManifest": json.dumps(document)}]}


def image_index(*platforms: tuple[str, str]) -> dict[str, Any]:
    return manifest(
        {"manifests": [{"platform": {"os": system, "architecture": one}} for system, one in platforms]}
    )


@pytest.mark.parametrize(
    ("platforms", "asked", "level", "told"),
    [
        ([INTEL, ARM], ON_X86, OK, "Built for linux/amd64, linux/arm64; the tasks are X86_64."),
        ([ARM, ("unknown", "unknown")], ON_ARM, OK, "Built for linux/arm64; the tasks are ARM64."),
        ([ARM], ON_X86, REFUSE, "Build the image for linux/amd64, or set runtimePlatform."),
        ([INTEL], ON_ARM, REFUSE, "Build the image for linux/arm64, or set runtimePlatform."),
        ([("linux", "386")], ON_X86, OK, "Built for linux/386"),
        ([INTEL], ON_WINDOWS, REFUSE, "Build the image for windows/amd64"),
        ([("windows", "amd64")], ON_WINDOWS, OK, "Built for windows/amd64"),
        ([("linux", "aarch64")], ON_ARM, OK, "Built for linux/arm64"),
        ([ARM], ON_INSTANCES, OK, "Built for linux/arm64. The definition names no runtimePlatform"),
        ([], ON_X86, OK, "Not stated by the image. The tasks are X86_64."),
    ],
)
def test_the_platforms_of_an_index_are_held_against_the_tasks(
    ecr_says: dict[str, Any], platforms: list[tuple[str, str]], asked: Asked, level: str, told: str
) -> None:
    ecr_says["batch_get_image"] = image_index(*platforms)
    one = architecture_check(SCOPE, "app", f"{REPOSITORY}:v1", IMAGE, asked)
    assert (one.level, told in one.text) == (level, True), one.text


def test_fargate_takes_x86_64_where_nothing_is_said_and_instances_take_what_they_are() -> None:
    assert Asked.of({}, is_fargate=True) == ON_X86
    assert Asked.of({}, is_fargate=False) == ON_INSTANCES
    windows = {"cpuArchitecture": "X86_64", "operatingSystemFamily": "WINDOWS_SERVER_2022_CORE"}
    assert Asked.of({"runtimePlatform": windows}, is_fargate=False) == ON_WINDOWS


def of_image(tag: str, **more: Any) -> Definition:
    return definition(container={"image": f"{REPOSITORY}:{tag}"}, **more)


def test_a_single_manifest_is_judged_by_the_images_configuration(shop: Rig) -> None:
    arm = {"runtimePlatform": {"cpuArchitecture": "ARM64"}}
    for tag in ("v2-arch", "v3-arm64"):
        shop.push(tag)
        level, text = check(shop, "architecture-app", of_image(tag))
        assert (level, "Built for linux/arm64, and the tasks are X86_64" in text) == (REFUSE, True)
        assert check(shop, "architecture-app", of_image(tag, **arm))[0] == OK
    assert check(shop, "architecture-app") == (OK, "Built for linux/amd64; the tasks are X86_64.")
    assert check(shop, "architecture-app", definition(**arm))[0] == REFUSE


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("access-denied", "it answered 400"),
        ("outage", "it answered 503"),
        ("reset", "the connection broke off"),
    ],
)
def test_a_configuration_that_does_not_come_is_said_and_not_asked_for_at_each_key(
    shop: Rig, kind: str, told: str
) -> None:
    shop.sandbox.faults.add(kind, service="s3", count=1)
    for _ in range(2):
        level, text = check(shop, "architecture-app")
        assert (
            level,
            f"the image's configuration could not be downloaded from 127.0.0.1: {told}" in text,
        ) == (WARN, True), text
    assert check(shop, "image-app")[0] == OK
    gathering.answers.clear()
    assert check(shop, "architecture-app")[0] == OK


def test_a_slow_download_costs_only_its_own_check(shop: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    found(shop, definition())
    gathering.answers.clear()
    monkeypatch.setattr(downloads, "SECONDS", 0.2)
    shop.sandbox.faults.add("latency", service="s3", milliseconds=800, count=1)
    checks = found(shop, definition())
    assert "no answer in time" in checks["architecture-app"].text
    assert [checks[name].level for name in ("image-app", "architecture-app", "expiry-app")] == [OK, WARN, OK]


def test_what_was_changed_on_its_way_is_not_believed(shop: Rig, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("aws.ecr.fetch", lambda *_, **__: b'{"os": "linux", "architecture": "amd64"}')
    level, text = check(shop, "architecture-app")
    assert (level, "its sha256 differs" in text) == (WARN, True)


@pytest.mark.parametrize("body", [b"# Helm", b"[]", b"{}"])
def test_what_is_no_configuration_states_nothing(ecr_says: dict[str, Any], body: bytes) -> None:
    digest = f"sha256:{hashlib.sha256(body).hexdigest()}"
    ecr_says["batch_get_image"] = manifest({"config": {"digest": digest}, "layers": []})
    ecr_says["get_download_url_for_layer"] = {"downloadUrl": "https://layers.example/config"}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("aws.ecr.fetch", lambda *_, **__: body)
        one = architecture_check(SCOPE, "app", f"{REPOSITORY}:v1", IMAGE, ON_X86)
    assert (one.level, one.text) == (OK, "Not stated by the image. The tasks are X86_64.")


def test_critical_findings_of_a_scan_are_warned_of() -> None:
    scanned = ImageTag("v1", "sha256:1", None, None, critical=2)
    assert scan_check("app", scanned).level == WARN
    assert "2 critical findings" in scan_check("app", scanned).text
    assert scan_check("app", IMAGE).level == OK


def test_an_untagged_image_that_a_policy_expires_is_warned_of(ecr_says: dict[str, Any]) -> None:
    rules = [{"selection": {"tagStatus": "untagged"}}]
    ecr_says["get_lifecycle_policy"] = {"lifecyclePolicyText": json.dumps({"rules": rules})}
    untagged = ImageTag("", IMAGE.digest, None, None)
    assert expiry_check(SCOPE, "app", f"{REPOSITORY}@{IMAGE.digest}", untagged).level == WARN
    assert expiry_check(SCOPE, "app", f"{REPOSITORY}:v1", IMAGE).level == OK
