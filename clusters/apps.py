from __future__ import annotations

from django.apps import AppConfig


class ClustersConfig(AppConfig):
    name = "clusters"

    def ready(self) -> None:
        """Give the gateway its budget, and say who may watch what."""
        from django.conf import settings

        import aws
        from clusters import watching

        aws.configure(redis_url=settings.REDIS_URL, share=settings.AWS_BUDGET_SHARE)
        watching.register_topics()
