"""The page of a room, and the list of all that are open."""

from django.http import JsonResponse
from django.shortcuts import render

from .consumers import online


def page(request, name):
    # The page takes the room from its own address.
    return render(request, "page.html")


async def rooms(request):
    # In the loop in which the consumers run: while this runs, nobody comes or goes.
    listed = [{"room": name, "online": online[name]} for name in sorted(online)]
    return JsonResponse(listed, safe=False)
