"""The answer to the handshake, by hand."""

import base64
import hashlib

from django.http import HttpResponse

# RFC 6455, section 1.3.
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


def accept(request):
    key = request.GET.get("key", "")
    digest = hashlib.sha1((key + GUID).encode()).digest()
    return HttpResponse(base64.b64encode(digest), content_type="text/plain")
