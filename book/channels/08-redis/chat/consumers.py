"""Rooms in many processes. What is said goes through the channel layer."""

from collections import Counter
from hashlib import sha256

from channels.generic.websocket import AsyncJsonWebsocketConsumer, AsyncWebsocketConsumer

# Not 1003: Daphne lets an application close with 1000 or 3000 to 4999, and no other.
TEXT_ONLY = 4003


# Who is where, in this process. A group cannot tell how many are in it.
online = Counter()


# ANCHOR: join
class ChatConsumer(AsyncJsonWebsocketConsumer):
    async def connect(self):
        self.room = self.scope["url_route"]["kwargs"]["name"]
        self.group = group_of(self.room)
        # With the first consumer of a group in this process, Redis is told SUBSCRIBE.
        await self.channel_layer.group_add(self.group, self.channel_name)
        await self.accept()
        online[self.room] += 1

    async def disconnect(self, code):
        # With the last one, UNSUBSCRIBE.
        await self.channel_layer.group_discard(self.group, self.channel_name)
        online[self.room] -= 1
        if online[self.room] == 0:
            del online[self.room]
    # ANCHOR_END: join

    # ANCHOR: say
    async def receive_json(self, content):
        await self.tell_all(check(content))

    async def tell_all(self, content):
        event = {"type": "chat.tell", "content": content}
        await self.channel_layer.group_send(self.group, event)

    async def chat_tell(self, event):
        """What the channel layer brings goes out to this consumer's client."""
        await self.send_json(event["content"])
    # ANCHOR_END: say

    async def receive(self, text_data=None, bytes_data=None):
        if text_data is None:
            await self.close(code=TEXT_ONLY)
            return
        try:
            await super().receive(text_data=text_data)
        # Nobody else catches it: the socket would be closed with 1011.
        except (ValueError, RecursionError) as reason:
            await self.refuse(reason)

    async def refuse(self, reason):
        # By way of the layer too: sent at once, it would overtake what waits there.
        event = {"type": "chat.tell", "content": {"error": str(reason)}}
        await self.channel_layer.send(self.channel_name, event)


def check(content):
    """The two fields of a message; a ValueError for anything else."""
    fields = content if isinstance(content, dict) else {}
    message = {name: fields.get(name) for name in ("sender", "message")}
    if not all(isinstance(text, str) and text.strip() for text in message.values()):
        raise ValueError("A message has a sender and a message, and neither is empty.")
    return message


def group_of(room):
    """The group of a room. Its name takes fewer than 100 characters, all of them ASCII."""
    return sha256(room.encode()).hexdigest()


class NoSuchRoom(AsyncWebsocketConsumer):
    async def connect(self):
        # Daphne answers 403, whatever the reason.
        await self.close()
