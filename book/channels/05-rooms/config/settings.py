"""The settings of chapter 5."""

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
        "DIRS": [WORKBOOK / "solutions" / "05-rooms"],
    },
]

# ANCHOR: layer
# Within this process alone. At most 100 messages wait for each consumer.
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer"}}
# ANCHOR_END: layer
