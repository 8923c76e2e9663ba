"""Work that keeps a core busy for about a second."""

# ANCHOR: slow
from asgiref.sync import sync_to_async
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.http import HttpResponse

ITERATIONS = 3_000_000


async def slow(request):
    # thread_sensitive=True, the default, would let all such work share one thread.
    return HttpResponse(await sync_to_async(hash, thread_sensitive=False)())


def hash():
    """The hash of a password, as Django keeps it, with three times the work."""
    hasher = PBKDF2PasswordHasher()
    return hasher.encode("correct horse battery staple", hasher.salt(), ITERATIONS)
# ANCHOR_END: slow
