"""What somebody writes into the guestbook."""

# ANCHOR: form
from django import forms


class EntryForm(forms.Form):
    # Otherwise the browser would not send an empty field, nor show our answer.
    use_required_attribute = False

    sender = forms.CharField()
    message = forms.CharField()
# ANCHOR_END: form
