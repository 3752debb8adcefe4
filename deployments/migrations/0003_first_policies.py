"""The policies that a console starts with; they were rules in the code before."""

from __future__ import annotations

from typing import Any

from django.db import migrations

FIRST = [
    {
        "name": "Production deploys",
        "environment": "production",
        "subjects": ["deploy"],
    },
    {
        "name": "Production goes dark",
        "environment": "production",
        "subjects": ["scale_to_zero"],
    },
]


def add(apps: Any, schema_editor: Any) -> None:
    policy = apps.get_model("deployments", "ApprovalPolicy")
    for fields in FIRST:
        policy.objects.create(approvals=1, eligible=["role:release_manager"], **fields)


def remove(apps: Any, schema_editor: Any) -> None:
    names = [fields["name"] for fields in FIRST]
    apps.get_model("deployments", "ApprovalPolicy").objects.filter(name__in=names).delete()


class Migration(migrations.Migration):
    dependencies = [("deployments", "0002_governance")]

    operations = [migrations.RunPython(add, remove)]
