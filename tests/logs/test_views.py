from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from access.models import RoleBinding
from audit.models import AuditEntry
from clusters.models import TaskDefinition
from logs import reading
from logs.models import LogTail
from logs.tailing import read_tail
from logs.views import render_panel
from tests.builders import bind, make_service, make_task, make_task_definition
from tests.logs.conftest import GROUP, LogWorld

FRAGMENT = {"HX-Request": "true"}


def text_of(response: Any) -> str:
    return response.content.decode()  # type: ignore[no-any-return]


def messages(html: str) -> list[str]:
    return re.findall(r"</span><p>((?:(?!</p>).)*)</p></li>", html, re.DOTALL)


def follow(client: Client, world: LogWorld, query: str = "") -> str:
    """Open the page, let the reader run once, and open it again."""
    client.get(world.url())
    for tail in LogTail.objects.all():
        read_tail(tail.pk, world.now)
    return text_of(client.get(world.url() + query))


def around(world: LogWorld) -> str:
    return f"?at={int(world.now.timestamp() * 1000)}&span=900"


@pytest.mark.parametrize(
    ("name", "status"),
    [("carol", 200), ("alice", 200), ("bob", 200), ("dan", 200), ("erin", 200), ("mallory", 404)],
)
@pytest.mark.parametrize("page", ["", "lines/", "history/", "download/"])
def test_who_may_read_logs(world: LogWorld, as_: Any, name: str, status: int, page: str) -> None:
    response = as_(name).get(world.url(page), headers=FRAGMENT if page == "lines/" else {})
    assert response.status_code == status


def test_stranger_is_sent_to_sign_in(world: LogWorld) -> None:
    assert Client().get(world.url()).status_code == 302
    assert Client().get(world.url("lines/"), headers=FRAGMENT).status_code == 401


def test_seen_but_not_allowed_is_403_with_the_permission(
    world: LogWorld, as_: Any, people: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from access import decisions

    monkeypatch.setitem(decisions.ROLES, "viewer", frozenset({"fleet.view"}))
    for page in ["", "lines/", "history/", "download/"]:
        response = as_("carol").get(world.url(page), headers=FRAGMENT)
        assert response.status_code == 403
        assert "logs.view" in text_of(response)


def test_lines_of_all_tasks_are_merged_by_time_with_letter_and_colour(world: LogWorld, as_: Any) -> None:
    world.write(world.second, "two", ago=5)
    world.write(world.first, "one", ago=10)
    world.write(world.first, "three", ago=1)
    html = follow(as_("carol"), world)
    assert messages(html) == ["one", "two", "three"]
    rows = re.findall(r'<li class="(t\d)[^"]*".*?>(\w e882|\w 41aa)</a>', html)
    assert len({colour for colour, _ in rows}) == 2
    assert {badge[2:] for _, badge in rows} == {"e882", "41aa"}


def test_task_keeps_its_letter_and_colour_when_others_are_long_gone(world: LogWorld, as_: Any) -> None:
    def badge(html: str) -> tuple[str, ...]:
        return re.search(rf'class="chip (t\d)" href="[^"]+task={late.task_id}".*?>(\w)</span>', html).groups()  # type: ignore[union-attr]

    others = [make_task(world.service) for _ in range(4)]
    late = make_task(world.service)
    client = as_("carol")
    before = badge(text_of(client.get(world.url())))
    for other in others:
        other.stopped_at, other.last_status = timezone.now() - timedelta(days=1), "STOPPED"
        other.save()
    assert badge(text_of(client.get(world.url()))) == before == ("t1", "g")


def test_page_asks_only_for_what_came_after_its_cursor(world: LogWorld, as_: Any) -> None:
    client = as_("carol")
    world.write(world.first, "old", ago=5)
    html = follow(client, world)
    cursor = re.search(r'data-cursor="([^"]+)"', html)[1]  # type: ignore[index]
    world.write(world.first, "new", ago=1)
    read_tail(world.tail().pk, world.now)
    answer = text_of(client.get(world.url("lines/"), {"after": cursor}, headers=FRAGMENT))
    assert messages(answer) == ["new"]
    again = re.search(r'data-cursor="([^"]+)"', answer)[1]  # type: ignore[index]
    assert messages(text_of(client.get(world.url("lines/"), {"after": again}, headers=FRAGMENT))) == []


@pytest.mark.parametrize("after", ["nonsense", "~", "x~1-0", "0" * 20 + "~1-0;drop", "a" * 5000])
def test_malformed_cursor_counts_as_nothing_seen(world: LogWorld, as_: Any, after: str) -> None:
    client = as_("carol")
    world.write(world.first, "line", ago=5)
    follow(client, world)
    assert messages(text_of(client.get(world.url("lines/"), {"after": after}, headers=FRAGMENT))) == ["line"]


def test_many_viewers_cost_one_call(world: LogWorld, as_: Any) -> None:
    for name in ["carol", "alice", "bob", "dan"] * 5:
        follow(as_(name), world)
    reads = world.count()
    for name in ["carol", "alice", "bob", "dan"] * 5:
        as_(name).get(world.url())
        as_(name).get(world.url("lines/"), headers=FRAGMENT)
    assert world.count() == reads
    assert LogTail.objects.count() == 1


def test_lines_of_another_service_in_the_same_group_are_not_shown(world: LogWorld, as_: Any) -> None:
    other = make_service(
        "ledger", cluster=world.cluster, task_definition_arn=world.service.task_definition_arn
    )
    stranger = make_task(other)
    world.write(world.first, "mine", ago=5)
    world.write(stranger, "of the ledger", ago=4)
    client = as_("carol")
    assert messages(follow(client, world)) == ["mine"]
    assert messages(text_of(client.get(world.url("history/") + around(world)))) == ["mine"]
    assert "ledger" not in text_of(client.get(world.url("download/")))


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("?q=CACHE", ["INFO <mark>cache</mark> warm", "ERROR <mark>cache</mark> full"]),
        ("?q=c.che", []),
        ("?q=c.che&regex=1", ["INFO <mark>cache</mark> warm", "ERROR <mark>cache</mark> full"]),
        ("?level=error", ["ERROR cache full"]),
        ("?level=warn", ["WARN slow", "ERROR cache full"]),
        ("?q=cache&level=error", ["ERROR <mark>cache</mark> full"]),
        ("?container=app", ["INFO cache warm", "WARN slow", "ERROR cache full"]),
        ("?container=otel", []),
        ("?level=nonsense&since=x", ["INFO cache warm", "WARN slow", "ERROR cache full"]),
    ],
)
def test_filter_works_on_followed_lines_and_on_history(
    world: LogWorld, as_: Any, query: str, shown: list[str]
) -> None:
    world.write(world.first, "INFO cache warm", "WARN slow", "ERROR cache full", ago=10)
    client = as_("carol")
    assert messages(follow(client, world, query)) == shown
    assert messages(text_of(client.get(world.url("lines/") + query, headers=FRAGMENT))) == shown
    history = client.get(world.url("history/") + query + around(world).replace("?", "&"))
    assert messages(text_of(history)) == shown


def test_one_task_may_be_chosen(world: LogWorld, as_: Any) -> None:
    world.write(world.first, "first", ago=5)
    world.write(world.second, "second", ago=4)
    assert messages(follow(as_("carol"), world, f"?task={world.second.task_id}")) == ["second"]


def test_refused_pattern_is_said_and_filters_nothing(world: LogWorld, as_: Any) -> None:
    world.write(world.first, "line", ago=5)
    html = follow(as_("carol"), world, "?q=(a%2B)%2B&regex=1")
    assert "not a group" in html
    assert messages(html) == ["line"]


def test_hostile_lines_are_text(world: LogWorld, as_: Any) -> None:
    world.write(
        world.first,
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "\x1b]8;;javascript:alert(1)\x07click\x1b]8;;\x07",
        "\x1b[31m<b>red\x1b[0m",
        "user\u202egnp.exe",
        ago=5,
    )
    client = as_("carol")
    for html in [follow(client, world), text_of(client.get(world.url("history/") + around(world)))]:
        assert messages(html) == [
            "&lt;script&gt;alert(1)&lt;/script&gt;",
            "&quot;&gt;&lt;img src=x onerror=alert(1)&gt;",
            "click",
            '<span class="ansi-red">&lt;b&gt;red</span>',
            "usergnp.exe",
        ]
    hostile = text_of(
        client.get(world.url(), {"q": '"><script>x</script>', "task": "<i>", "container": "'>"})
    )
    assert "<script>x" not in hostile
    assert "<i>" not in hostile


def test_history_reads_around_a_moment_within_the_time_limit(
    world: LogWorld, as_: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write(world.first, *(f"line {n}" for n in range(30)), ago=20)
    monkeypatch.setattr(reading, "DIRECT_PAGE", 10)
    monkeypatch.setattr(reading, "DIRECT_SECONDS", 0.0)
    html = text_of(as_("carol").get(world.url("history/") + around(world)))
    assert messages(html) == [f"line {n}" for n in range(10)]
    assert "Stopped after" in html


def test_history_page_waits_visibly_before_it_asks_aws(world: LogWorld, as_: Any) -> None:
    html = text_of(as_("carol").get(world.url() + around(world)))
    assert world.count() == 0
    assert f'hx-get="{world.url("history/")}' in html
    assert f"Reading {GROUP} from CloudWatch Logs" in html
    assert LogTail.objects.count() == 0


def test_line_links_to_itself_in_history(world: LogWorld, as_: Any) -> None:
    world.write(world.first, "line", ago=5)
    client = as_("carol")
    live = follow(client, world)
    link, anchor = re.search(r'<a class="at" href="([^"#]+)#(l\d+-[0-9a-f]{8})"', live).groups()  # type: ignore[union-attr]
    assert f'id="{anchor}"' in live
    page = text_of(client.get(link.replace("&amp;", "&")))
    fetch = re.search(r'hx-get="([^"]+/history/[^"]+)"', page)[1]  # type: ignore[index]
    assert f'id="{anchor}"' in text_of(client.get(fetch.replace("&amp;", "&"), headers=FRAGMENT))


def test_refusal_of_aws_is_shown_with_action_code_and_request_id(world: LogWorld, as_: Any) -> None:
    world.server.faults.add("access-denied", service="logs")
    client = as_("carol")
    response = client.get(world.url("history/") + around(world), headers=FRAGMENT)
    assert response.status_code == 502
    html = text_of(response)
    assert "logs:FilterLogEvents failed with AccessDeniedException" in html
    assert "request id" in html
    live = follow(client, world)
    assert "logs:FilterLogEvents answered AccessDeniedException" in live
    assert "request id" in live


def test_missing_group_is_named(world: LogWorld, as_: Any) -> None:
    TaskDefinition.objects.all().delete()
    make_task_definition(world.service, facts={"containerDefinitions": [log_container("/ecs/none")]})
    assert "The log group /ecs/none does not exist in us-east-1." in follow(as_("carol"), world)


def log_container(group: str, driver: str = "awslogs") -> dict[str, Any]:
    options = {"awslogs-group": group, "awslogs-stream-prefix": "ecs"} if driver == "awslogs" else {}
    return {"name": "app", "logConfiguration": {"logDriver": driver, "options": options}}


@pytest.mark.parametrize(
    ("container", "sentence"),
    [
        (log_container("", "splunk"), "Container app logs with the driver splunk, so look there."),
        ({"name": "app"}, "Container app has no log configuration"),
        (log_container(""), "Container app uses awslogs without naming a log group."),
    ],
)
def test_other_drivers_are_named(world: LogWorld, as_: Any, container: dict[str, Any], sentence: str) -> None:
    TaskDefinition.objects.all().delete()
    make_task_definition(world.service, facts={"containerDefinitions": [container]})
    html = text_of(as_("carol").get(world.url()))
    assert "CloudWatch Logs gets no lines" in html
    assert sentence in html
    assert LogTail.objects.count() == 0


def test_unread_definition_is_said(world: LogWorld, as_: Any) -> None:
    TaskDefinition.objects.all().delete()
    assert "Where the logs are is not known yet" in text_of(as_("carol").get(world.url()))


def test_stopped_task_shows_its_last_lines(world: LogWorld, as_: Any) -> None:
    stopped = make_task(
        world.service,
        last_status="STOPPED",
        stopped_at=timezone.now() - timedelta(days=2),
        task_id="dead" + "0" * 28,
    )
    world.write(stopped, "starting", "FATAL gone", ago=2 * 86400)
    client = as_("carol")
    url = f"{stopped.get_absolute_url()}logs/"
    page = text_of(client.get(url))
    assert "data-lines" not in page
    assert world.count("GetLogEvents") == 0
    fragment = text_of(client.get(f"{url}history/", headers=FRAGMENT))
    assert messages(fragment) == ["starting", "FATAL gone"]
    assert world.count("GetLogEvents") == 1


def test_task_that_wrote_nothing_has_an_empty_log(world: LogWorld, as_: Any) -> None:
    stopped = make_task(world.service, last_status="STOPPED", stopped_at=timezone.now())
    response = as_("carol").get(f"{stopped.get_absolute_url()}logs/history/", headers=FRAGMENT)
    assert response.status_code == 200
    assert "wrote nothing" in text_of(response)


def test_stream_without_prefix_is_found_by_dockers_id(world: LogWorld, as_: Any) -> None:
    TaskDefinition.objects.all().delete()
    container = log_container(GROUP)
    del container["logConfiguration"]["options"]["awslogs-stream-prefix"]
    make_task_definition(world.service, facts={"containerDefinitions": [container]})
    world.first.facts["containers"][0]["runtimeId"] = "f00d"
    world.first.save()
    client = world.server.client("logs", account_id=world.cluster.account.account_id)
    client.create_log_stream(logGroupName=GROUP, logStreamName="f00d")
    event = {"timestamp": int(world.now.timestamp() * 1000), "message": "by id"}
    client.put_log_events(logGroupName=GROUP, logStreamName="f00d", logEvents=[event])
    assert messages(follow(as_("carol"), world)) == ["by id"]


def test_download_is_plain_text_and_recorded(world: LogWorld, as_: Any) -> None:
    world.write(world.first, "\x1b[31mERROR\x1b[0m <b>", "INFO fine", ago=5)
    client = as_("carol")
    follow(client, world)
    response = client.get(world.url("download/"), {"level": "error"})
    assert response["Content-Type"] == "text/plain; charset=utf-8"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert re.match(r'attachment; filename="checkout-api-\d+T\d+Z\.log"', response["Content-Disposition"])
    (row,) = text_of(response).splitlines()
    assert row.endswith(f"Z {world.first.task_id} app ERROR <b>")
    entry = AuditEntry.objects.get(action="logs.download")
    assert (entry.actor, entry.target, entry.service) == ("carol", "checkout-api", "checkout-api")
    assert entry.data == {"groups": [GROUP], "lines": 1, "filter": {"level": "error"}}


def test_index_lists_what_may_be_read_and_remembers_what_was(world: LogWorld, as_: Any, people: Any) -> None:
    make_service("ledger", cluster=world.cluster)
    RoleBinding.objects.filter(user=people["carol"]).delete()
    bind(people["carol"], "viewer", service="checkout-*")
    client = as_("carol")
    html = text_of(client.get("/logs/"))
    assert "checkout-api" in html
    assert "ledger" not in html
    assert "Looked at last" not in html
    client.get(world.url())
    assert "Looked at last" in text_of(client.get("/logs/"))
    assert "No service matches" in text_of(client.get("/logs/", {"q": "ledger"}))


def test_index_costs_the_same_for_few_and_many(
    world: LogWorld, as_: Any, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        make_service(f"api-{number}", cluster=world.cluster)
    client = as_("carol")
    client.get("/logs/")
    with django_assert_max_num_queries(14):
        client.get("/logs/")


def test_panel_of_a_change_shows_its_deployments_tasks_since_it_began(
    world: LogWorld, rf: Any, people: Any
) -> None:
    from access.middleware import RequestAccess

    newer = make_task(world.service, started_by="ecs-svc/42")
    world.write(world.first, "of the old deployment", ago=5)
    world.write(newer, "before", ago=600)
    world.write(newer, "after", ago=5)
    request = rf.get("/changes/1/logs/")
    request.user, request.session = people["carol"], {}
    request.access = RequestAccess(request)
    since = world.now - timedelta(minutes=5)

    def panel() -> str:
        return text_of(render_panel(request, service=world.service, started_by="ecs-svc/42", since=since))

    panel()
    read_tail(world.tail().pk, world.now)
    assert messages(panel()) == ["after"]
    assert "started_by=ecs-svc%2F42" in panel()
