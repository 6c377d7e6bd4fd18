"""Static files under an ASGI server."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from whitenoise.middleware import WhiteNoiseMiddleware
from whitenoise.responders import StaticFile


class StaticFilesMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]
    """WhiteNoise, answering with whole files.

    Its own answers are read in pieces by blocking calls, which Django has to gather up and warns of
    with every file when it runs under ASGI. A site's styles and scripts are small.
    """

    @staticmethod
    def serve(static_file: StaticFile, request: HttpRequest) -> HttpResponse:
        """The answer to a request for a file, from the thread that middleware runs in."""
        found = static_file.get_response(request.method, request.META)
        content = b""
        if found.file is not None:
            with found.file:
                content = found.file.read()
        response = HttpResponse(content, status=int(found.status))
        # Only WhiteNoise's own headers hold: it says nothing about content in a 304, for example.
        del response.headers["Content-Type"]
        for name, value in found.headers:
            response.headers[name] = value
        return response
