"""One room. Channels makes one instance of a consumer for each open socket."""

from channels.generic.websocket import AsyncJsonWebsocketConsumer

ROOM = "public"
# Not 1003: Daphne lets an application close with 1000 or 3000 to 4999, and no other.
TEXT_ONLY = 4003


class ChatConsumer(AsyncJsonWebsocketConsumer):
    # In this process. A group cannot tell how many are in it.
    online = 0

    async def connect(self):
        await self.channel_layer.group_add(ROOM, self.channel_name)
        await self.accept()
        await self.count(1)

    async def disconnect(self, code):
        await self.channel_layer.group_discard(ROOM, self.channel_name)
        await self.count(-1)

    async def count(self, change):
        ChatConsumer.online += change
        await self.tell_all({"online": ChatConsumer.online})

    async def receive_json(self, content):
        await self.tell_all(check(content))

    async def tell_all(self, content):
        event = {"type": "chat.tell", "content": content}
        await self.channel_layer.group_send(ROOM, event)

    async def chat_tell(self, event):
        """What the channel layer brings goes out to this consumer's client."""
        await self.send_json(event["content"])

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
