"""Which view answers which path."""

from django.conf import settings
from django.urls import path
from django.views.generic import TemplateView
from django.views.static import serve

from chat import names, views

STYLE = {"path": "style.css", "document_root": settings.WORKBOOK / "lessons"}

urlpatterns = [
    path("", TemplateView.as_view(template_name="page.html")),
    path("api/news/<room:name>", views.publish),
    path("style.css", serve, STYLE),
]
