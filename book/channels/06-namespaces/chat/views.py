"""News comes from outside: to say it, one needs no socket."""

import json

from django.http import HttpResponse

from .rooms import check, push


# ANCHOR: publish
async def publish(request, name):
    try:
        message = check(json.loads(request.body))
    except ValueError as reason:
        return HttpResponse(str(reason), status=422, content_type="text/plain")
    await push(("news", name), "message", message)
    return HttpResponse(status=204)
# ANCHOR_END: publish
