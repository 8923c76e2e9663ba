"""Which view answers which path."""

# ANCHOR: urls
from django.conf import settings
from django.urls import path
from django.views.static import serve

from guestbook import views

urlpatterns = [
    path("", views.guestbook),
    path("hello", views.hello),
    path("style.css", serve, {"path": "style.css", "document_root": settings.LESSONS}),
]
# ANCHOR_END: urls
