"""Refuse every change of checkpoints and keys, and a checkpoint that goes back."""

from __future__ import annotations

from typing import Any

from django.db import migrations

from audit.triggers import CREATE_SEALS, DROP_SEALS


def create_triggers(apps: Any, schema_editor: Any) -> None:
    for statement in CREATE_SEALS[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def drop_triggers(apps: Any, schema_editor: Any) -> None:
    for statement in DROP_SEALS[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("audit", "0003_checkpoints")]
    operations = [migrations.RunPython(create_triggers, drop_triggers)]
