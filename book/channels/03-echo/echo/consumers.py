"""An echo. Channels makes one instance of a consumer for each open socket."""

# ANCHOR: echo
from channels.generic.websocket import JsonWebsocketConsumer, WebsocketConsumer

# Not 1003: Daphne lets an application close with 1000 or 3000 to 4999, and no other.
TEXT_ONLY = 4003
WELCOME = '{"sender":"server","message":"welcome"}'


class EchoConsumer(WebsocketConsumer):
    def connect(self):
        self.accept()
        self.send(text_data=WELCOME)

    def receive(self, text_data=None, bytes_data=None):
        if text_data is None:
            self.close(code=TEXT_ONLY)
        else:
            self.send(text_data=text_data)
# ANCHOR_END: echo


# ANCHOR: json
class JsonEchoConsumer(JsonWebsocketConsumer):
    def receive(self, text_data=None, bytes_data=None):
        if text_data is None:
            self.close(code=TEXT_ONLY)
            return
        try:
            super().receive(text_data=text_data)
        # Nobody else catches it: the socket would be closed with 1011.
        except (ValueError, RecursionError) as reason:
            self.send_json({"error": str(reason)})

    def receive_json(self, content):
        self.send_json(check(content))
# ANCHOR_END: json


# ANCHOR: check
def check(content):
    """The two fields of a message; a ValueError for anything else."""
    fields = content if isinstance(content, dict) else {}
    message = {name: fields.get(name) for name in ("sender", "message")}
    if not all(isinstance(text, str) for text in message.values()):
        raise ValueError("A message has a sender and a message, and both are texts.")
    return message
# ANCHOR_END: check
