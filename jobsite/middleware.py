"""The site's Content Security Policy: nothing runs or loads but what the site serves itself."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.conf import settings
from django.http import HttpRequest
from django.http.response import HttpResponseBase

HEADER = "Content-Security-Policy"
POLICY = "; ".join(
    [
        "default-src 'self'",
        "img-src 'self' data:",
        "object-src 'none'",
        "base-uri 'self'",
        "form-action 'self'",
        "frame-ancestors 'none'",
    ]
)

_ERROR_PAGES = frozenset({404, 500})


class ContentSecurityPolicyMiddleware:
    """Sets the policy on every response that does not bring one of its own.

    Django 6 has such a middleware, Django 5.2 has not; this one behaves alike on both.
    """

    sync_capable = True
    async_capable = True

    def __init__(
        self,
        get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]],
    ) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> HttpResponseBase | Awaitable[HttpResponseBase]:
        response = self.get_response(request)
        if isinstance(response, HttpResponseBase):
            return _with_policy(response)
        return _with_policy_later(response)


async def _with_policy_later(response: Awaitable[HttpResponseBase]) -> HttpResponseBase:
    return _with_policy(await response)


def _with_policy(response: HttpResponseBase) -> HttpResponseBase:
    # Django's own error pages for developers carry their styles and scripts inside.
    if not (settings.DEBUG and response.status_code in _ERROR_PAGES):
        response.headers.setdefault(HEADER, POLICY)
    return response
