"""Start the chain and refuse every change of what was written."""

from __future__ import annotations

from typing import Any

from django.db import migrations

from audit.chain import GENESIS_HASH
from audit.triggers import CREATE, DROP


def start_chain(apps: Any, schema_editor: Any) -> None:
    apps.get_model("audit", "AuditChain").objects.create(pk=1, next_seq=1, head_hash=GENESIS_HASH)


def create_triggers(apps: Any, schema_editor: Any) -> None:
    for statement in CREATE[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


def drop_triggers(apps: Any, schema_editor: Any) -> None:
    for statement in DROP[schema_editor.connection.vendor]:
        schema_editor.execute(statement)


class Migration(migrations.Migration):
    dependencies = [("audit", "0001_initial")]
    operations = [
        migrations.RunPython(start_chain, migrations.RunPython.noop),
        migrations.RunPython(create_triggers, drop_triggers),
    ]
