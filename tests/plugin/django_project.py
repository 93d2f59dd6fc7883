"""The modules of a small Django project, for pytest inside pytest."""

SETTINGS = """
    SECRET_KEY = "x"
    USE_TZ = True
    ALLOWED_HOSTS = ["*"]
    ROOT_URLCONF = "urls"
    STATIC_URL = "static/"
    INSTALLED_APPS = ["django.contrib.contenttypes", "django.contrib.auth"]
    DATABASES = {"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": "db.sqlite3"}}
    DATABASES["default"]["TEST"] = {"NAME": "test.sqlite3"}
    DEFAULT_FROM_EMAIL = "shop@shop.example"
"""
MAILERS = """
    MAILERS = {
        "default": {"BACKEND": "django.core.mail.backends.smtp.EmailBackend", "OPTIONS": {"host": "mail.shop.example"}},
        "news": {"BACKEND": "django.core.mail.backends.console.EmailBackend"},
    }
"""
OLD = """
    EMAIL_HOST = "mail.shop.example"
    EMAIL_HOST_USER = "shop"
"""
URLS = """
    from django.core.mail import send_mail
    from django.http import HttpResponse
    from django.urls import path

    def sign_up(request):
        send_mail("Welcome", "Hello", None, [request.GET["email"]])
        return HttpResponse("sent")

    urlpatterns = [path("sign-up/", sign_up)]
"""
