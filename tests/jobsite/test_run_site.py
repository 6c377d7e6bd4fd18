"""`make run`: it says what is wrong before it starts anything, serves, and stops as a whole."""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from http.cookiejar import CookieJar
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import HTTPCookieProcessor, build_opener

import psutil
import pytest

from tests.support.processes import ROOT, ManageProcess, lives, run_manage
from tests.support.servers import free_port
from tests.support.waiting import wait_until


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


def test_a_port_that_is_no_number_is_refused(site_env: dict[str, str]) -> None:
    done = run_manage("run_site", "--port", "http", environment=site_env)
    assert done.returncode != 0
    assert "PORT='http': must be a whole number" in done.stderr


@pytest.mark.parametrize(
    ("name", "address", "place"),
    [
        ("DATABASE_URL", "postgres://ann:geheim@127.0.0.1:{port}/site", "127.0.0.1:{port}/site"),
        ("DATABASE_URL", "sqlite:////nowhere/site.sqlite3", "/nowhere/site.sqlite3"),
        ("REDIS_URL", "redis://ann:geheim@127.0.0.1:{port}/0", "redis://ann@127.0.0.1:{port}/0"),
    ],
)
def test_a_server_that_does_not_answer_is_told_by_its_setting_before_anything_starts(
    site_env: dict[str, str], name: str, address: str, place: str
) -> None:
    port, silent = str(free_port()), str(free_port())
    environment = {**site_env, name: address.format(port=silent)}
    done = run_manage("run_site", "--port", port, environment=environment)
    assert done.returncode == 1
    told = f"Nothing was started: {name}: {place.format(port=silent)} cannot be used: "
    assert told in done.stderr
    assert "geheim" not in done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert "Preparing the database" not in done.stdout


@pytest.mark.skipif(
    sys.platform != "linux", reason="only Linux tells a process of its parent's end"
)
def test_nothing_outlives_a_make_that_is_killed(site_env: dict[str, str]) -> None:
    old = ["--old-file", "setup", f"BIN={Path(sys.executable).parent}"]
    make = psutil.Popen(
        ["make", *old, "run", f"PORT={free_port()}"],
        cwd=ROOT,
        env=site_env,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        # Make's child is the site; its children are the web server and the cluster.
        wait_until(lambda: len(make.children(recursive=True)) >= 5, timeout=60)
    finally:
        started = make.children(recursive=True)
        make.kill()
        make.wait()
    try:
        wait_until(lambda: not [one for one in started if lives(one)], timeout=30)
    finally:
        for one in started:
            if lives(one):
                one.kill()


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
