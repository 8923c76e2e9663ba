"""The settings of chapter 8."""

import os
from pathlib import Path

WORKBOOK = Path(__file__).resolve().parents[4]

ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
# ANCHOR: settings
# With daphne, first in the list, runserver speaks ASGI, and so WebSocket.
INSTALLED_APPS = ["daphne", "channels", "chat"]
ASGI_APPLICATION = "config.asgi.application"
# ANCHOR_END: settings
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "config.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # The page is the lesson's own: a browser does not see who serves it.
        "DIRS": [WORKBOOK / "solutions" / "08-redis"],
    },
]

# ANCHOR: layer
if "REDIS_URL" in os.environ:
    # Redis carries everything, to this process as well as to the others.
    backend = os.environ.get("CHANNEL_LAYER", "channels_redis.pubsub.RedisPubSubChannelLayer")
    config = {"hosts": [os.environ["REDIS_URL"]]}
else:
    backend, config = "channels.layers.InMemoryChannelLayer", {}
CHANNEL_LAYERS = {"default": {"BACKEND": backend, "CONFIG": config}}
# ANCHOR_END: layer
