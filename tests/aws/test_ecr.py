from __future__ import annotations

import pytest

from aws import ecr
from aws.errors import AwsRefused
from aws.scope import Scope

DIGEST = "sha256:" + "a1" * 32


@pytest.mark.parametrize(
    ("reference", "expected"),
    [
        (
            "111122223333.dkr.ecr.us-east-1.amazonaws.com/shop/web:v1",
            ecr.Repository("111122223333", "us-east-1", "shop/web", "v1", ""),
        ),
        (
            f"111122223333.dkr.ecr.eu-west-1.amazonaws.com/web@{DIGEST}",
            ecr.Repository("111122223333", "eu-west-1", "web", "", DIGEST),
        ),
        (
            f"111122223333.dkr.ecr.cn-north-1.amazonaws.com.cn/web:v2@{DIGEST}",
            ecr.Repository("111122223333", "cn-north-1", "web", "v2", DIGEST),
        ),
        ("public.ecr.aws/docker/library/nginx:1.27", None),
        ("nginx", None),
    ],
)
def test_a_reference_points_into_a_registry(reference: str, expected: ecr.Repository | None) -> None:
    assert ecr.repository_of(reference) == expected


def test_an_image_of_another_registry_is_refused_with_what_to_do() -> None:
    with pytest.raises(AwsRefused) as refused:
        ecr.list_images(Scope("111122223333", "us-east-1"), "nginx:1.27")
    assert "tag or digest" in refused.value.hint
