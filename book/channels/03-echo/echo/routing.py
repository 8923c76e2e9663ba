"""Which consumer talks on which path."""

# ANCHOR: routing
from django.urls import path

from . import consumers

websocket_urlpatterns = [
    path("ws", consumers.EchoConsumer.as_asgi()),
    path("ws/json", consumers.JsonEchoConsumer.as_asgi()),
]
# ANCHOR_END: routing
