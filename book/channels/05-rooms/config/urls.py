"""Which view answers which path."""

from django.conf import settings
from django.urls import path
from django.views.generic import TemplateView
from django.views.static import serve

from chat import names, views  # names registers the converter `room`

STYLE = {"path": "style.css", "document_root": settings.WORKBOOK / "lessons"}

# ANCHOR: urls
urlpatterns = [
    path("", TemplateView.as_view(template_name="index.html")),
    path("chat/<room:name>", views.page),
    path("api/rooms", views.rooms),
    path("style.css", serve, STYLE),
]
# ANCHOR_END: urls
