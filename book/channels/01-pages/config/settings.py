"""The settings of chapter 1: what a guestbook in memory needs, and no more."""

from pathlib import Path

# The style sheet of all lessons lies here.
LESSONS = Path(__file__).resolve().parents[4] / "lessons"

ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
INSTALLED_APPS = ["guestbook"]
MIDDLEWARE = [
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
]
ROOT_URLCONF = "config.urls"
TEMPLATES = [
    {"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True},
]
