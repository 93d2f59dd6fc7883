"""The pages of the shop: those of allauth, and one that needs a login."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.urls import include, path


@login_required
def home(request: HttpRequest) -> HttpResponse:
    """Greet the customer."""
    return HttpResponse(f"Hello {request.user.email}")


urlpatterns = [path("accounts/", include("allauth.urls")), path("", home)]
