"""The site's own addresses, and what every response carries."""

from __future__ import annotations

import re

import pytest
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, Client, RequestFactory

from jobsite.middleware import HEADER, ContentSecurityPolicyMiddleware

pytestmark = pytest.mark.django_db


def test_the_front_page_leads_to_the_admin(client: Client) -> None:
    response = client.get("/")
    assert (response.status_code, response.headers["Location"]) == (302, "/admin/")


@pytest.mark.parametrize("address", ["/admin/login/", "/", "/no-such-page", "/admin/"])
def test_every_response_forbids_scripts_that_the_site_does_not_serve(
    client: Client, address: str
) -> None:
    policy = client.get(address).headers[HEADER]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy


def test_the_policy_is_set_under_asgi_too(async_client: AsyncClient) -> None:
    from asgiref.sync import async_to_sync

    response = async_to_sync(async_client.get)("/admin/login/")
    assert "default-src 'self'" in response.headers[HEADER]


def test_a_response_may_bring_a_policy_of_its_own(rf: RequestFactory) -> None:
    def strict(request: HttpRequest) -> HttpResponse:
        return HttpResponse(headers={HEADER: "default-src 'none'"})

    response = ContentSecurityPolicyMiddleware(strict)(rf.get("/"))
    assert isinstance(response, HttpResponse)
    assert response.headers[HEADER] == "default-src 'none'"


@pytest.mark.parametrize("address", ["/admin/", "/admin/auth/user/", "/admin/auth/user/add/"])
def test_the_admin_needs_nothing_that_the_policy_forbids(
    admin_client: Client, address: str
) -> None:
    page = admin_client.get(address).content.decode()
    inline = re.findall(r"<script(?![^>]*\bsrc=)(?![^>]*application/json)[^>]*>", page)
    assert inline == []
    assert re.findall(r"\son\w+=\"|<style|\sstyle=\"", page) == []


def test_an_unknown_address_says_so_in_the_site_s_own_page(client: Client) -> None:
    response = client.get("/no-such-page")
    assert response.status_code == 404
    assert b"There is nothing at this address." in response.content


def test_an_error_is_told_without_its_details(client: Client) -> None:
    from django.views.defaults import server_error

    response = server_error(RequestFactory().get("/"))
    assert response.status_code == 500
    assert b"Something went wrong" in response.content
