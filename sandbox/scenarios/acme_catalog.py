"""What acme runs: its accounts, its clusters, and the services in each."""

from __future__ import annotations

from dataclasses import dataclass, field

PRODUCTION = "111122223333"
STAGING = "222233334444"
DEVELOPMENT = "333344445555"
ENVIRONMENTS = {PRODUCTION: "production", STAGING: "staging", DEVELOPMENT: "development"}
REGIONS = {
    PRODUCTION: ["us-east-1", "eu-west-1"],
    STAGING: ["us-east-1"],
    DEVELOPMENT: ["us-east-1", "eu-west-1"],
}


@dataclass(frozen=True, slots=True)
class Service:
    """One service as acme's people would describe it; `condition` names its part in the story."""

    name: str
    count: int
    cpu: int = 512
    memory: int = 1024
    port: int = 8080
    public: bool = False
    sidecars: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    breaker: bool = True
    minimum: int = 100
    maximum: int = 200
    team: str = "storefront"
    condition: str = "steady"
    days_since_deploy: float = 4.0


@dataclass(frozen=True, slots=True)
class Cluster:
    name: str
    account_id: str
    region: str
    services: tuple[Service, ...]


_DATABASE = {"DATABASE_URL": "postgres://shop:hunter2-not-a-real-password@orders.db.internal:5432/shop"}
_CACHE = {"REDIS_URL": "redis://cache.internal:6379/0"}
_STRIPE = {"STRIPE_API_BASE": "https://api.stripe.com", "PAYMENT_RETRIES": "3"}

_PROD_CORE = (
    Service(
        "web-frontend",
        40,
        1024,
        2048,
        3000,
        public=True,
        sidecars=("envoy",),
        environment={"FEATURE_NEW_CHECKOUT": "true", "CDN_BASE": "https://cdn.shop.example"},
        secrets=("session-key",),
        maximum=125,
        condition="rolling",
    ),
    Service(
        "edge-router",
        120,
        256,
        512,
        8443,
        public=True,
        environment={"UPSTREAM_TIMEOUT_MS": "2500"},
        team="platform",
        days_since_deploy=9,
    ),
    Service(
        "checkout-api",
        18,
        1024,
        2048,
        public=True,
        sidecars=("datadog-agent",),
        environment=_DATABASE | _STRIPE,
        secrets=("db", "stripe"),
        days_since_deploy=1.2,
    ),
    Service("cart-api", 12, public=True, environment=_CACHE, secrets=("db",), days_since_deploy=2.1),
    Service(
        "catalog-api", 16, 1024, 2048, public=True, environment=_CACHE | {"PAGE_SIZE": "48"}, team="catalog"
    ),
    Service("search-api", 14, 2048, 4096, public=True, sidecars=("datadog-agent",), team="catalog"),
    Service(
        "identity-api",
        9,
        public=True,
        environment={"TOKEN_TTL_SECONDS": "900"},
        secrets=("db", "jwt"),
        team="identity",
        days_since_deploy=6.4,
    ),
    Service("pricing-api", 6, environment={"TAX_TABLE_VERSION": "2026-11"}, secrets=("db",), team="catalog"),
    Service(
        "inventory-api", 8, environment=_DATABASE, secrets=("db",), team="logistics", days_since_deploy=3.3
    ),
    Service("recommendation-api", 6, 2048, 8192, environment={"MODEL": "als-2026-10"}, team="catalog"),
    Service("notification-gateway", 4, 256, 512, secrets=("smtp",), team="crm", days_since_deploy=11),
    Service(
        "image-resizer", 3, 1024, 2048, environment={"WORKERS": "6"}, team="catalog", days_since_deploy=12.5
    ),
)
_PROD_PAYMENTS = (
    Service(
        "payments-api",
        10,
        1024,
        2048,
        public=True,
        sidecars=("envoy", "datadog-agent"),
        environment=_STRIPE,
        secrets=("db", "stripe"),
        team="payments",
        days_since_deploy=1.6,
    ),
    Service("payments-worker", 8, environment=_STRIPE, secrets=("db", "stripe"), team="payments"),
    Service("ledger-writer", 3, 1024, 2048, environment=_DATABASE, secrets=("db",), team="payments"),
    Service(
        "fraud-scorer",
        6,
        2048,
        4096,
        environment={"MODEL": "gbm-31", "THRESHOLD": "0.83"},
        secrets=("db",),
        team="risk",
        condition="image missing",
    ),
    Service("refund-processor", 2, secrets=("db", "stripe"), team="payments", days_since_deploy=8.2),
)
_PROD_BATCH = (
    Service("search-indexer", 4, 2048, 4096, environment={"BATCH_SIZE": "500"}, team="catalog"),
    Service("order-exporter", 2, 256, 512, secrets=("db", "sftp"), team="logistics", days_since_deploy=5.5),
    Service(
        "invoice-renderer",
        4,
        512,
        1024,
        environment={"FONT_PATH": "/usr/share/fonts"},
        secrets=("db",),
        breaker=False,
        minimum=50,
        maximum=100,
        team="finance",
        condition="crash loop",
    ),
    Service("warehouse-sync", 1, 256, 512, secrets=("db", "sftp"), team="logistics", days_since_deploy=10),
    Service(
        "newsletter-sender",
        0,
        256,
        512,
        secrets=("smtp",),
        team="crm",
        condition="scaled to zero",
        breaker=False,
    ),
    Service("sitemap-builder", 1, 256, 512, team="storefront", days_since_deploy=13),
)
_PROD_EU = (
    Service("web-frontend", 16, 1024, 2048, 3000, public=True, sidecars=("envoy",), secrets=("session-key",)),
    Service(
        "checkout-api", 8, 1024, 2048, public=True, environment=_DATABASE | _STRIPE, secrets=("db", "stripe")
    ),
    Service("cart-api", 6, public=True, environment=_CACHE, secrets=("db",), days_since_deploy=2.2),
    Service("catalog-api", 8, 1024, 2048, public=True, environment=_CACHE, team="catalog"),
    Service(
        "identity-api",
        4,
        public=True,
        secrets=("db", "jwt"),
        team="identity",
        condition="canary",
        days_since_deploy=6.3,
    ),
    Service("vat-calculator", 2, 256, 512, environment={"VIES_TIMEOUT_MS": "4000"}, team="finance"),
    Service("gdpr-exporter", 1, secrets=("db",), team="legal", days_since_deploy=12),
)
_STAGING_CORE = (
    Service("web-frontend", 2, 512, 1024, 3000, public=True, secrets=("session-key",), days_since_deploy=0.8),
    Service("checkout-api", 2, public=True, environment=_DATABASE | _STRIPE, secrets=("db", "stripe")),
    Service("cart-api", 2, public=True, environment=_CACHE, secrets=("db",), days_since_deploy=1.1),
    Service(
        "search-api",
        6,
        1024,
        2048,
        public=True,
        minimum=50,
        maximum=100,
        team="catalog",
        condition="out of memory",
    ),
    Service("catalog-api", 2, public=True, environment=_CACHE, team="catalog", days_since_deploy=0.6),
    Service("identity-api", 1, public=True, secrets=("db", "jwt"), team="identity", days_since_deploy=3),
)
_STAGING_PAYMENTS = (
    Service("payments-api", 2, public=True, environment=_STRIPE, secrets=("db", "stripe"), team="payments"),
    Service("payments-worker", 1, environment=_STRIPE, secrets=("db", "stripe"), team="payments"),
    Service(
        "ledger-writer", 1, environment=_DATABASE, secrets=("db",), team="payments", days_since_deploy=1.9
    ),
)
_DEV_CORE = (
    Service(
        "web-frontend", 1, 256, 512, 3000, secrets=("session-key",), breaker=False, days_since_deploy=0.3
    ),
    Service("checkout-api", 1, 256, 512, environment=_DATABASE, secrets=("db",), breaker=False),
    Service("catalog-api", 1, 256, 512, environment=_CACHE, team="catalog", days_since_deploy=0.5),
    Service("feature-flags", 1, 256, 512, team="platform", days_since_deploy=7),
)
_DEV_SANDBOX = (
    Service("load-generator", 0, 1024, 2048, team="platform", condition="scaled to zero"),
    Service("playground-api", 1, 256, 512, team="platform", breaker=False, days_since_deploy=2.5),
    Service("prototype-recommender", 4, 4096, 16384, team="catalog", condition="no capacity"),
)

CLUSTERS = (
    Cluster("prod-core", PRODUCTION, "us-east-1", _PROD_CORE),
    Cluster("prod-payments", PRODUCTION, "us-east-1", _PROD_PAYMENTS),
    Cluster("prod-batch", PRODUCTION, "us-east-1", _PROD_BATCH),
    Cluster("prod-eu", PRODUCTION, "eu-west-1", _PROD_EU),
    Cluster("staging-core", STAGING, "us-east-1", _STAGING_CORE),
    Cluster("staging-payments", STAGING, "us-east-1", _STAGING_PAYMENTS),
    Cluster("dev-core", DEVELOPMENT, "us-east-1", _DEV_CORE),
    Cluster("dev-sandbox", DEVELOPMENT, "eu-west-1", _DEV_SANDBOX),
)
