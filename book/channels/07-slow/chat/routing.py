"""Which consumer talks on which path."""

from django.urls import path

from . import consumers

websocket_urlpatterns = [
    path("chat/public", consumers.ChatConsumer.as_asgi()),
]
