"""What a request may ask for in its query."""

from django import forms


class Wanted(forms.Form):
    since = forms.IntegerField(required=False, min_value=0)
    # In seconds.
    wait = forms.IntegerField(required=False, min_value=0)
