"""`make run`: it says what is wrong before it starts anything, serves, and stops as a whole."""

from __future__ import annotations

import re
import signal
import socket
from http.cookiejar import CookieJar
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import pytest

from tests.support.processes import ManageProcess, lives, run_manage
from tests.support.servers import free_port


def test_a_busy_port_is_told_before_anything_starts(site_env: dict[str, str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        done = run_manage("run_site", "--port", str(port), environment=site_env)
    assert done.returncode == 1
    assert f"port {port} of 127.0.0.1 cannot be used (Address already in use)" in done.stderr
    assert f"make run PORT={port + 1}" in done.stderr
    assert "Made the superuser" in run_manage("ensure_login", environment=site_env).stdout


def test_a_port_that_cannot_be_is_refused(site_env: dict[str, str]) -> None:
    done = run_manage("run_site", "--port", "70000", environment=site_env)
    assert done.returncode == 1
    assert "PORT=70000: must be between 1 and 65535" in done.stderr


@pytest.mark.both_databases
def test_the_site_serves_its_admin_and_stops_without_leaving_a_process(
    site_env: dict[str, str],
) -> None:
    port = free_port()
    with ManageProcess("run_site", "--port", str(port), environment=site_env) as site:
        site.wait_for_output("Jobsite runs at", timeout=60)
        password = re.search(r"password +(\S+) +\(made just now", site.output())
        assert password, site.output()
        assert f"http://127.0.0.1:{port}/admin/" in site.output()
        page = sign_in(f"http://127.0.0.1:{port}", "admin", password[1])
        assert "Site administration" in page
        started = site.descendants()
        assert len(started) >= 2
        assert site.stop(signal.SIGINT) == 0, site.output()
        assert [process for process in started if lives(process)] == []
        assert "Traceback" not in site.output()


def sign_in(site: str, username: str, password: str) -> str:
    """The page that follows the login form."""
    browser = build_opener(HTTPCookieProcessor(CookieJar()))
    form = browser.open(f"{site}/admin/login/?next=/admin/").read().decode()
    token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', form)
    assert token
    fields = {
        "csrfmiddlewaretoken": token[1],
        "username": username,
        "password": password,
        "next": "/admin/",
    }
    return str(browser.open(f"{site}/admin/login/", urlencode(fields).encode()).read().decode())
