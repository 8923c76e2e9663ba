"""The settings of chapter 3."""

from pathlib import Path

WORKBOOK = Path(__file__).resolve().parents[4]

ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
# ANCHOR: settings
# With daphne, first in the list, runserver speaks ASGI, and so WebSocket.
INSTALLED_APPS = ["daphne", "channels", "echo"]
ASGI_APPLICATION = "config.asgi.application"
# ANCHOR_END: settings
MIDDLEWARE = ["django.middleware.common.CommonMiddleware"]
ROOT_URLCONF = "config.urls"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        # The page is the lesson's own: a browser does not see who serves it.
        "DIRS": [WORKBOOK / "solutions" / "03-echo"],
    },
]
