from __future__ import annotations

from tests.sandbox.ecs import DEV, Ecs


def test_settings_of_a_principal_lie_over_those_of_the_account() -> None:
    ecs = Ecs()
    assert ecs.call("ListAccountSettings")["settings"] == []
    ecs.call("PutAccountSettingDefault", name="containerInsights", value="enabled")
    ecs.call("PutAccountSetting", name="awsvpcTrunking", value="enabled")
    mine = ecs.call("ListAccountSettings")["settings"]
    assert [(item["name"], item["value"], item["principalArn"]) for item in mine] == [
        ("awsvpcTrunking", "enabled", DEV.principal_arn)
    ]
    effective = {
        item["name"]: item["value"]
        for item in ecs.call("ListAccountSettings", effectiveSettings=True)["settings"]
    }
    assert (effective["containerInsights"], effective["serviceLongArnFormat"]) == ("enabled", "enabled")
    ecs.call("DeleteAccountSetting", name="awsvpcTrunking")
    assert ecs.call("ListAccountSettings", name="awsvpcTrunking")["settings"] == []


def test_new_clusters_take_the_account_s_insights_setting() -> None:
    ecs = Ecs()
    ecs.call("PutAccountSettingDefault", name="containerInsights", value="enhanced")
    cluster = ecs.call("CreateCluster", clusterName="new")["cluster"]
    assert cluster["settings"] == [{"name": "containerInsights", "value": "enhanced"}]
