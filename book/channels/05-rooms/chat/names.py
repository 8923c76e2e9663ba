"""What a room may be called. Page and socket both ask here, and nowhere else."""

# ANCHOR: names
import unicodedata

from django.urls import register_converter


class RoomName:
    # Django looks at the name in to_python; a slash would be the next part of the path.
    regex = "[^/]+"

    def to_python(self, text):
        """The name that a text is; a ValueError means that no path matches."""
        name = unicodedata.normalize("NFC", text)
        if not 1 <= len(name) <= 64 or not all(map(belongs, name)):
            raise ValueError("A name is 1 to 64 letters, digits, - and _.")
        return name

    def to_url(self, name):
        return name


def belongs(one):
    # The categories of letters, marks and numbers begin with L, M and N.
    return one in "-_" or unicodedata.category(one)[0] in "LMN"


register_converter(RoomName, "room")
# ANCHOR_END: names
