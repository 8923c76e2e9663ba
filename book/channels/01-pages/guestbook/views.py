"""A guestbook made of whole pages."""

from django.http import HttpResponseRedirect
from django.shortcuts import render
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from .forms import EntryForm

# In memory, as in the lesson. A project that lasts has a model instead.
ENTRIES = [
    {"sender": "Ferris", "message": "Welcome!"},
    {"sender": "Corro", "message": "Sign the book, please."},
]


def hello(request):
    name = request.GET.get("name", "stranger")
    return render(request, "guestbook/hello.html", {"name": name})


# ANCHOR: guestbook
@csrf_exempt  # The lesson's form carries no token; Django would refuse it with 403.
@require_http_methods(["GET", "HEAD", "POST"])
def guestbook(request):
    if request.method == "POST":
        form = EntryForm(request.POST)
        if form.is_valid():
            ENTRIES.append(form.cleaned_data)
            # redirect("/") would answer 302.
            return HttpResponseRedirect("/", status=303)
        status = 422
    else:
        form = EntryForm(initial=request.GET.dict())
        status = 200
    context = {"form": form, "entries": ENTRIES}
    return render(request, "guestbook/page.html", context, status=status)
# ANCHOR_END: guestbook
