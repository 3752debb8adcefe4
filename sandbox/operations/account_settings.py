"""Account settings, for the whole account or one principal."""

from __future__ import annotations

from sandbox.operations.registry import Context, operation
from sandbox.paging import page
from sandbox.ports import ApiError
from sandbox.state import Document

DEFAULTS = {
    "awsvpcTrunking": "disabled",
    "containerInsights": "disabled",
    "containerInstanceLongArnFormat": "enabled",
    "defaultLogDriverMode": "non-blocking",
    "fargateFIPSMode": "disabled",
    "fargateTaskRetirementWaitPeriod": "7",
    "guardDutyActivate": "off",
    "serviceLongArnFormat": "enabled",
    "tagResourceAuthorization": "on",
    "taskLongArnFormat": "enabled",
}


@operation("ListAccountSettings")
def list_account_settings(context: Context, params: Document) -> Document:
    """List the settings that were made; with `effectiveSettings` also the defaults."""
    principal = params.get("principalArn") or context.caller.principal_arn
    made = context.region.account_settings
    names = [params["name"]] if params.get("name") else sorted({*DEFAULTS, *(name for name, _ in made)})
    settings: list[Document] = []
    for name in names:
        value = made.get((name, principal))
        if value is None and params.get("effectiveSettings"):
            value = made.get((name, ""), DEFAULTS.get(name))
        if value is not None and params.get("value") in (None, value):
            settings.append({"name": name, "value": value, "principalArn": principal or None, "type": "user"})
    chosen, token = page(settings, params, "settings", salt=f"{principal}{params.get('name')}")
    return {"settings": chosen, **token}


@operation("PutAccountSetting")
def put_account_setting(context: Context, params: Document) -> Document:
    """Make a setting for one principal, the caller unless another is named."""
    return _put(context, params, params.get("principalArn") or context.caller.principal_arn)


@operation("PutAccountSettingDefault")
def put_account_setting_default(context: Context, params: Document) -> Document:
    """Make a setting for everybody in the account."""
    return _put(context, params, "")


@operation("DeleteAccountSetting")
def delete_account_setting(context: Context, params: Document) -> Document:
    """Take a principal's setting back."""
    principal = params.get("principalArn") or context.caller.principal_arn
    context.region.account_settings.pop((params["name"], principal), None)
    return {"setting": {"name": params["name"], "value": "", "principalArn": principal or None}}


def _put(context: Context, params: Document, principal: str) -> Document:
    if not params["value"]:
        raise ApiError("InvalidParameterException", "Value can not be blank.")
    context.region.account_settings[params["name"], principal] = params["value"]
    shown = principal or f"arn:aws:iam::{context.region.account_id}:root"
    return {
        "setting": {"name": params["name"], "value": params["value"], "principalArn": shown, "type": "user"}
    }
