"""The settings of chapter 2."""

from pathlib import Path

# The style sheet of all lessons lies here.
LESSONS = Path(__file__).resolve().parents[4] / "lessons"

ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
# With daphne, first in the list, runserver speaks ASGI: views may wait.
INSTALLED_APPS = ["daphne", "guestbook"]
ASGI_APPLICATION = "config.asgi.application"
MIDDLEWARE = [
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
]
ROOT_URLCONF = "config.urls"
TEMPLATES = [
    {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True},
]
