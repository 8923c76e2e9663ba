"""JSON for scripts, beside the page."""

import json

from django.http import HttpResponseRedirect, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_safe

from . import storage
from .forms import Wanted


@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
async def guestbook(request):
    context = {"messages": storage.MESSAGES}
    if request.method != "POST":
        return render(request, "guestbook/page.html", context)
    lacking = missing(request.POST)
    if lacking:
        context.update(problem=please_fill_in(lacking), form=request.POST)
        return render(request, "guestbook/page.html", context, status=422)
    await storage.store(request.POST["sender"], request.POST["message"])
    return HttpResponseRedirect("/", status=303)


# ANCHOR: messages
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
async def messages(request):
    if request.method == "POST":
        return await create(request)
    wanted = Wanted(request.GET)
    if not wanted.is_valid():
        return error(400, "since and wait are whole numbers.")
    since = wanted.cleaned_data["since"] or 0
    wait = min(wanted.cleaned_data["wait"] or 0, 30)
    found = storage.after(since)
    if wait and not found:
        found = await storage.wait_for_more(since, wait)
    return JsonResponse(found, safe=False)
# ANCHOR_END: messages


# ANCHOR: create
async def create(request):
    if request.content_type != "application/json":
        return error(415, "A message is application/json.")
    try:
        body = json.loads(request.body)
    except (ValueError, RecursionError) as reason:
        return error(400, f"This is no JSON: {reason}")
    lacking = missing(body)
    if lacking:
        return error(422, please_fill_in(lacking))
    stored = await storage.store(body["sender"], body["message"])
    location = reverse("message", args=[stored["id"]])
    return JsonResponse(stored, status=201, headers={"Location": location})
# ANCHOR_END: create


@require_safe
async def message(request, id):
    for found in storage.MESSAGES:
        if found["id"] == id:
            return JsonResponse(found)
    return error(404, f"There is no message {id}.")


# ANCHOR: events
@require_safe
async def events(request):
    newest = len(storage.MESSAGES)
    try:
        seen = min(int(request.headers.get("Last-Event-ID", newest)), newest)
    except ValueError:
        return error(400, "Last-Event-ID is a whole number.")
    return StreamingHttpResponse(stream(seen), content_type="text/event-stream")


async def stream(seen):
    # Daphne sends the head of an answer with the first bytes of its body.
    yield ":\n\n"
    while True:
        for message in await storage.wait_for_more(seen):
            seen = message["id"]
            yield f"id: {seen}\ndata: {json.dumps(message)}\n\n"
# ANCHOR_END: events


async def unknown(request, unknown):
    return error(404, "There is nothing at this address.")


def error(status, sentence):
    return JsonResponse({"error": sentence}, status=status)


def missing(body):
    """The names of the fields that are missing, empty, blank, or no text."""
    fields = body if isinstance(body, dict) else {}
    texts = {name: fields.get(name) for name in ("sender", "message")}
    return [
        name
        for name, text in texts.items()
        if not isinstance(text, str) or not text.strip()
    ]


def please_fill_in(names):
    return f"Please fill in: {', '.join(names)}."
