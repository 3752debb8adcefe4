"""Addresses of channels, under Settings."""

from __future__ import annotations

from django.urls import path

from notifications import views

urlpatterns = [
    path("settings/notifications/", views.list_channels, name="channels"),
    path("settings/notifications/add/<slug:type_>/", views.add_channel, name="channel-add"),
    path("settings/notifications/<int:pk>/", views.show_channel, name="channel"),
    path("settings/notifications/<int:pk>/edit/", views.edit_channel, name="channel-edit"),
    path("settings/notifications/<int:pk>/test/", views.test_channel, name="channel-test"),
    path("settings/notifications/<int:pk>/switch/", views.switch_channel, name="channel-switch"),
    path("settings/notifications/<int:pk>/remove/", views.remove_channel, name="channel-remove"),
    path("settings/notifications/<int:pk>/subscriptions/", views.add_subscription, name="subscription-add"),
    path(
        "settings/notifications/subscriptions/<int:pk>/remove/",
        views.remove_subscription,
        name="subscription-remove",
    ),
    path("settings/notifications/deliveries/", views.list_deliveries, name="deliveries"),
    path("settings/notifications/deliveries/<int:pk>/again/", views.send_again, name="delivery-again"),
]
