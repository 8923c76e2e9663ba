"""Which consumer talks on which path."""

from django.urls import path, re_path

from . import consumers, names  # names registers the converter `room`

websocket_urlpatterns = [
    path("ws/chat/<room:name>", consumers.ChatConsumer.as_asgi()),
    # Without this, a path that matches nothing is an exception, and a 500.
    re_path("", consumers.NoSuchRoom.as_asgi()),
]
