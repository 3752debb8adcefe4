"""The pages of channels, of what they are told, and of what did not arrive."""

from __future__ import annotations

from django.contrib import messages
from django.http import Http404, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from access.step_up import require_recent_sign_in
from ecsconsole.http import ConsoleRequest, render_page
from notifications import channels
from notifications.forms import ChannelForm, SubscriptionForm
from notifications.models import Channel, Delivery, Subscription
from notifications.queries import ChannelRow, channel_rows, deliveries_of, delivery_page, warnings

PERMISSION = "settings.manage"
LIST, FORM, ONE, DELIVERIES = (
    f"notifications/{name}.html" for name in ("channels", "channel_form", "channel", "deliveries")
)


def require_manager(request: ConsoleRequest) -> None:
    """Let in who may change settings and proved lately who they are: a channel carries news of production elsewhere.

    Forms ask when they are opened, too, so that a secret is seldom typed before the proof and carried past it.
    """
    request.access.require(PERMISSION)
    require_recent_sign_in(request)


def to_channel(pk: int) -> HttpResponse:
    return HttpResponseRedirect(reverse("channel", args=[pk]), status=303)


@require_GET
def list_channels(request: ConsoleRequest) -> HttpResponse:
    """List the channels with their health."""
    request.access.require(PERMISSION)
    context = {"rows": channel_rows(), "types": Channel.Type.choices, "warnings": warnings()}
    return render_page(request, LIST, context)


@require_http_methods(["GET", "POST"])
def add_channel(request: ConsoleRequest, type_: str) -> HttpResponse:
    """Add a channel of a type; its address and secret are taken in and never given out."""
    require_manager(request)
    if type_ not in Channel.Type.values:
        raise Http404
    form = ChannelForm(type_, None, request.POST if request.method == "POST" else None)
    if request.method == "GET" or not form.is_valid():
        return show_form(request, form)
    channel = channels.add_channel(
        type_=type_,
        name=form.cleaned_data["name"],
        address=form.cleaned_data["address"],
        secret=form.cleaned_data.get("secret", ""),
        actor=request.user,
        now=timezone.now(),
        request=request,
    )
    messages.info(request, f"{channel} is there. Say below what it is told.")
    return to_channel(channel.pk)


@require_http_methods(["GET", "POST"])
def edit_channel(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Change a channel's name, address or secret."""
    require_manager(request)
    channel = get_object_or_404(Channel, pk=pk)
    form = ChannelForm(channel.type, channel, request.POST if request.method == "POST" else None)
    if request.method == "GET" or not form.is_valid():
        return show_form(request, form)
    channels.change_channel(
        channel=channel,
        name=form.cleaned_data["name"],
        address=form.cleaned_data["address"],
        secret=form.cleaned_data.get("secret", ""),
        actor=request.user,
        request=request,
    )
    messages.info(request, "Saved.")
    return to_channel(pk)


def show_form(request: ConsoleRequest, form: ChannelForm) -> HttpResponse:
    context = {"form": form, "type": Channel.Type(form.type), "channel": form.channel}
    return render_page(request, FORM, context, status=422 if request.method == "POST" else 200)


@require_GET
def show_channel(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Show a channel, what it is told, and what became of the latest messages."""
    request.access.require(PERMISSION)
    return show_one(request, get_object_or_404(Channel, pk=pk), SubscriptionForm())


def show_one(
    request: ConsoleRequest, channel: Channel, form: SubscriptionForm, status: int = 200
) -> HttpResponse:
    subscriptions = list(channel.subscriptions.all())
    context = {
        "channel": channel,
        "row": ChannelRow(channel, len(subscriptions), 0),
        "subscriptions": subscriptions,
        "form": form,
        "warnings": warnings(),
        **deliveries_of(channel),
    }
    return render_page(request, ONE, context, partial="channel-deliveries", status=status)


@require_POST
def test_channel(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Send a test message on the way that news takes."""
    require_manager(request)
    channel = get_object_or_404(Channel, pk=pk)
    channels.send_test(channel=channel, actor=request.user, now=timezone.now(), request=request)
    return to_channel(pk)


@require_POST
def switch_channel(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Switch a channel on or off."""
    require_manager(request)
    channel = get_object_or_404(Channel, pk=pk)
    is_on = request.POST.get("on") == "1"
    channels.switch_channel(channel=channel, is_on=is_on, actor=request.user, request=request)
    return to_channel(pk)


@require_POST
def remove_channel(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Remove a channel for good."""
    require_manager(request)
    channel = get_object_or_404(Channel, pk=pk)
    channels.remove_channel(channel=channel, actor=request.user, request=request)
    messages.info(request, f"{channel} is removed.")
    return HttpResponseRedirect(reverse("channels"), status=303)


@require_POST
def add_subscription(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Let a channel be told more."""
    require_manager(request)
    channel = get_object_or_404(Channel, pk=pk)
    form = SubscriptionForm(request.POST, instance=Subscription(channel=channel))
    if not form.is_valid():
        return show_one(request, channel, form, status=422)
    channels.add_subscription(subscription=form.save(commit=False), actor=request.user, request=request)
    return to_channel(pk)


@require_POST
def remove_subscription(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Let a channel be told less."""
    require_manager(request)
    subscription = get_object_or_404(Subscription.objects.select_related("channel"), pk=pk)
    channel_id = subscription.channel_id
    channels.remove_subscription(subscription=subscription, actor=request.user, request=request)
    return to_channel(channel_id)


@require_GET
def list_deliveries(request: ConsoleRequest) -> HttpResponse:
    """List what was sent, and the dead letters with their last errors."""
    request.access.require(PERMISSION)
    state = request.GET.get("state", "")
    page = delivery_page(state, request.GET.get("page", ""))
    context = {"page": page, "deliveries": page.object_list, "state": state, "states": Delivery.State.choices}
    return render_page(request, DELIVERIES, context)


@require_POST
def send_again(request: ConsoleRequest, pk: int) -> HttpResponse:
    """Send a dead letter again."""
    request.access.require(PERMISSION)
    delivery = get_object_or_404(Delivery.objects.select_related("channel", "message"), pk=pk)
    channels.send_again(delivery=delivery, actor=request.user, now=timezone.now(), request=request)
    return to_channel(delivery.channel_id)
