"""Rooms in namespaces: what is said in them, and how many are there."""

from collections import Counter
from hashlib import sha256

from channels.layers import get_channel_layer

# ANCHOR: namespaces
# There are no others.
NAMESPACES = {"chat", "news"}

# How many are in each place, in this process. A group cannot tell.
online = Counter()
# ANCHOR_END: namespaces


# ANCHOR: group
def group_of(place):
    """A group's name takes fewer than 100 characters, all of them ASCII."""
    ns, room = place
    return f"{ns}.{sha256(room.encode()).hexdigest()}"


async def push(place, event, data):
    """What a room says to all who are in it."""
    ns, room = place
    content = {"ns": ns, "room": room, "event": event, "data": data}
    message = {"type": "chat.tell", "place": list(place), "content": content}
    await get_channel_layer().group_send(group_of(place), message)
# ANCHOR_END: group


async def count(place, change):
    online[place] += change
    await push(place, "online", {"online": online[place]})
    if online[place] == 0:
        del online[place]


# ANCHOR: check
def check(data):
    """The two fields of a message; a ValueError for anything else."""
    fields = data if isinstance(data, dict) else {}
    message = {name: fields.get(name) for name in ("sender", "message")}
    if not all(isinstance(text, str) and text.strip() for text in message.values()):
        raise ValueError("A message has a sender and a message, and neither is empty.")
    return message
# ANCHOR_END: check
