"""Static files come from the site itself, with ASGI and without."""

from __future__ import annotations

from asgiref.sync import async_to_sync
from django.test import AsyncClient, Client

STYLE = "/static/admin/css/base.css"


def test_a_style_is_served_whole(client: Client) -> None:
    response = client.get(STYLE)
    assert response.status_code == 200
    assert response.headers["Content-Type"].startswith("text/css")
    assert int(response.headers["Content-Length"]) == len(response.content) > 1000
    assert "public" in response.headers["Cache-Control"]


def test_a_style_is_served_under_asgi_without_streaming(async_client: AsyncClient) -> None:
    response = async_to_sync(async_client.get)(STYLE)
    assert response.status_code == 200
    assert not response.streaming
    assert b"body" in response.content


def test_a_part_of_a_file_can_be_asked_for(client: Client) -> None:
    whole = client.get(STYLE).content
    response = client.get(STYLE, headers={"range": "bytes=10-19"})
    assert response.status_code == 206
    assert response.content == whole[10:20]


def test_an_unchanged_file_is_not_sent_again(client: Client) -> None:
    etag = client.get(STYLE).headers["ETag"]
    response = client.get(STYLE, headers={"if-none-match": etag})
    assert response.status_code == 304
    assert response.content == b""


def test_only_the_headers_are_answered_to_a_head_request(client: Client) -> None:
    response = client.head(STYLE)
    assert response.status_code == 200
    assert response.content == b""
    assert int(response.headers["Content-Length"]) > 1000
