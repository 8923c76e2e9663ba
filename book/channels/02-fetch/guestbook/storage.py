"""The messages, in memory as in the lesson, and the news of them.

All views are `async def`, so they take turns on one event loop: between two
`await`s nobody else changes anything.
"""

import asyncio

MESSAGES = [
    {"id": 1, "sender": "Ferris", "message": "Welcome!"},
    {"id": 2, "sender": "Corro", "message": "Sign the book, please."},
]
NEWS = asyncio.Condition()


def after(since):
    return [message for message in MESSAGES if message["id"] > since]


async def store(sender, message):
    async with NEWS:
        stored = {"id": len(MESSAGES) + 1, "sender": sender, "message": message}
        MESSAGES.append(stored)
        NEWS.notify_all()
    return stored


# ANCHOR: wait
async def wait_for_more(since, seconds=None):
    """The messages after an id, as soon as there are any; none after so many seconds."""
    async with NEWS:
        more = NEWS.wait_for(lambda: after(since))
        try:
            return await asyncio.wait_for(more, seconds)
        except TimeoutError:
            return []
# ANCHOR_END: wait
