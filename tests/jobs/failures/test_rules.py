"""Rules of notifications, from the admin and from the settings."""

from __future__ import annotations

import datetime as dt
from typing import Any

import pytest
from django.core.exceptions import ValidationError
from hypothesis import given
from hypothesis import strategies as st

from jobs.conf import settings as conf
from jobs.exceptions import JobsConfigurationError
from jobs.failures.rules import Rule, fault_of_target
from jobs.models import NotificationRule


@pytest.mark.parametrize(
    ("channel", "target"),
    [
        ("mail", "ops@example.org"),
        ("mail", "ops@example.org, ada@example.org"),
        ("webhook", "https://hooks.example.org/services/T0/B0/x?y=1"),
        ("webhook", "http://127.0.0.1:8065/hooks/x"),
        ("webhook", "http://mattermost/hooks/x"),
        ("log", ""),
        ("log", "shop.alerts"),
    ],
)
def test_a_target_of_its_channel_is_taken(channel: str, target: str) -> None:
    assert fault_of_target(channel, target) == ""
    NotificationRule(name="x", channel=channel, target=target).clean()


@pytest.mark.parametrize(
    ("channel", "target", "rule"),
    [
        ("mail", "", "at least one mail address"),
        ("mail", " , ", "at least one mail address"),
        ("mail", "ops@example.org, ops", "'ops' is not a mail address"),
        ("webhook", "", "must be a URL"),
        ("webhook", "file:///etc/passwd", "must be a URL"),
        ("webhook", "ftp://example.org/x", "must be a URL"),
        ("webhook", "https:///x", "must be a URL"),
        ("webhook", "https://example.org/a b", "must be a URL"),
        ("webhook", "https://example.org/\r\nHost: x", "must be a URL"),
        ("webhook", "https://example.org:99999/", "must be a URL"),
        ("webhook", "https://[::1/", "must be a URL"),
        ("log", "two words", "the name of a logger"),
    ],
)
def test_a_target_that_is_none_is_refused_with_the_rule(
    channel: str, target: str, rule: str
) -> None:
    assert rule in fault_of_target(channel, target)
    with pytest.raises(ValidationError) as refused:
        NotificationRule(name="x", channel=channel, target=target).clean()
    assert set(refused.value.message_dict) == {"target"}


@given(st.text(max_size=60), st.sampled_from(["mail", "webhook", "log"]))
def test_any_text_is_a_target_or_refused(target: str, channel: str) -> None:
    fault = fault_of_target(channel, target)

    assert not fault or fault.startswith(("must be", "'", '"'))


def test_a_rule_shows_a_webhook_by_its_host_alone() -> None:
    rule = Rule(key="k", name="n", channel="webhook", target="https://u:p@hooks.example.org/T/s3cr")

    assert rule.shown_target == "https://hooks.example.org/…"


def test_rules_in_the_settings_have_the_defaults_of_the_admin(settings: Any) -> None:
    settings.JOBS_NOTIFY = {
        "ops": {"channel": "mail", "target": "ops@example.org"},
        "chat": {
            "channel": "webhook", "target": "https://hooks.example.org/x", "queue": "ai",
            "definition": "shop.jobs.charge", "cooldown": 60,
        },
    }  # fmt: skip

    ops, chat = conf.NOTIFY.values()

    assert ops == Rule(key="setting:ops", name="ops", channel="mail", target="ops@example.org")
    assert ops.cooldown == NotificationRule().cooldown
    assert (chat.key, chat.queue, chat.cooldown) == ("setting:chat", "ai", dt.timedelta(minutes=1))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (["ops"], "JOBS_NOTIFY: ['ops']: must be a dict of rules by name"),
        ({5: {}}, "JOBS_NOTIFY: 5: the name of a rule must be text"),
        ({"a": "mail"}, "JOBS_NOTIFY['a']: 'mail': must be a dict of options"),
        ({"a": {}}, "JOBS_NOTIFY['a']['channel']: None: must be one of mail, webhook, log"),
        ({"a": {"chanel": "mail"}}, "'chanel': unknown option, did you mean 'channel'?"),
        ({"a": {"channel": "mail"}}, "['target']: '': must be at least one mail address"),
        ({"a": {"channel": "log", "queue": 5}}, "['queue']: 5: must be text"),
        ({"a": {"channel": "log", "cooldown": "1h"}}, "['cooldown']: '1h': must be a timedelta"),
        ({"a": {"channel": "log", "cooldown": -1}}, "['cooldown']: -1: must not be negative"),
    ],
)
def test_a_wrong_rule_in_the_settings_is_named(settings: Any, value: Any, message: str) -> None:
    settings.JOBS_NOTIFY = value

    with pytest.raises(JobsConfigurationError) as refused:
        conf.NOTIFY  # noqa: B018 - reading it checks it
    assert message in str(refused.value)


@pytest.mark.parametrize("value", [5, "example.org", "ftp://example.org"])
def test_a_base_url_that_is_none_is_refused(settings: Any, value: Any) -> None:
    settings.JOBS_BASE_URL = value

    with pytest.raises(JobsConfigurationError, match="must begin with http"):
        conf.BASE_URL  # noqa: B018 - reading it checks it


@pytest.mark.parametrize("cooldown", [dt.timedelta(seconds=-1), dt.timedelta(days=366), None])
def test_a_cool_down_that_is_none_is_refused(cooldown: Any) -> None:
    with pytest.raises(ValidationError) as refused:
        NotificationRule(name="x", channel="log", cooldown=cooldown).clean()
    assert set(refused.value.message_dict) == {"cooldown"}
