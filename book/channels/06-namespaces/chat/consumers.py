"""One socket, many conversations. Channels makes one instance for each open socket."""

import json

from channels.generic.websocket import AsyncJsonWebsocketConsumer

from .names import RoomName
from .rooms import NAMESPACES, check, count, group_of, push

# Not 1003: Daphne lets an application close with 1000 or 3000 to 4999, and no other.
TEXT_ONLY = 4003


class ChatConsumer(AsyncJsonWebsocketConsumer):
    # ANCHOR: connect
    async def connect(self):
        self.places = set()
        offered = self.scope["subprotocols"]
        await self.accept(subprotocol="chat.v1" if "chat.v1" in offered else None)

    async def disconnect(self, code):
        for place in list(self.places):
            await self.leave(place)
    # ANCHOR_END: connect

    # ANCHOR: join
    async def join(self, place):
        self.places.add(place)
        await self.channel_layer.group_add(group_of(place), self.channel_name)
        await count(place, 1)

    async def leave(self, place):
        self.places.remove(place)
        await self.channel_layer.group_discard(group_of(place), self.channel_name)
        await count(place, -1)

    async def chat_tell(self, event):
        """What the channel layer brings goes out, unless this client has left meanwhile."""
        if tuple(event["place"]) in self.places:
            await self.send_json(event["content"])
    # ANCHOR_END: join

    # ANCHOR: receive
    async def receive(self, text_data=None, bytes_data=None):
        if text_data is None:
            await self.close(code=TEXT_ONLY)
            return
        reply = {}
        try:
            envelope = json.loads(text_data)
            reply = ref_of(envelope)
            await self.act(*read(envelope))
        # A text that is no JSON is a ValueError too.
        except (ValueError, RecursionError) as reason:
            await self.send_json({**reply, "ok": False, "error": str(reason)})
        else:
            if reply:
                await self.send_json({**reply, "ok": True})
    # ANCHOR_END: receive

    # ANCHOR: act
    async def act(self, place, event, data):
        inside = place in self.places
        if event == "join" and not inside:
            await self.join(place)
        elif event == "leave" and inside:
            await self.leave(place)
        elif event == "message" and inside and place[0] != "news":
            await push(place, "message", check(data))
        else:
            raise ValueError("You cannot do that here.")
    # ANCHOR_END: act


# ANCHOR: read
def ref_of(envelope):
    """The ref, ready for the reply; nothing, if there is none."""
    if not isinstance(envelope, dict):
        raise ValueError("An envelope is a JSON object.")
    if "ref" not in envelope:
        return {}
    # To Python, True is a whole number.
    if type(envelope["ref"]) not in (int, str):
        raise ValueError("A ref is a whole number or a string.")
    return {"ref": envelope["ref"]}


def read(envelope):
    """The place, the event and the data of an envelope; a ValueError if it is none."""
    ns, room, event = (envelope.get(name) for name in ("ns", "room", "event"))
    if not all(isinstance(text, str) for text in (ns, room, event)):
        raise ValueError("An envelope has ns, room and event.")
    if ns not in NAMESPACES:
        raise ValueError("There is no such namespace.")
    return (ns, RoomName().to_python(room)), event, envelope.get("data")
# ANCHOR_END: read
