"""Which view answers which path."""

from django.conf import settings
from django.urls import path
from django.views.static import serve

from guestbook import views

# ANCHOR: urls
urlpatterns = [
    path("", views.guestbook),
    path("api/messages", views.messages),
    path("api/messages/<int:id>", views.message, name="message"),
    path("api/events", views.events),
    path("api/<path:unknown>", views.unknown),
    path("style.css", serve, {"path": "style.css", "document_root": settings.LESSONS}),
]
# ANCHOR_END: urls
