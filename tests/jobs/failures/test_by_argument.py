"""Failed jobs are found, and retried, by the value of an argument, however it was given."""

from __future__ import annotations

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse

from jobs import job
from jobs.audit import Actor
from jobs.exceptions import InvalidOption
from jobs.failures import by_argument, operations, scope
from jobs.models import BulkOperation, FailedJob, Job
from jobs.transports.sync import run_due
from tests.jobs.admin.conftest import boss

__all__ = ["boss"]

pytestmark = pytest.mark.django_db(transaction=True)

OPERATOR = Actor.of_code("a test")


class Refused(Exception):
    """No."""


@job
def bills(customer_no: int, plan: str = "basic") -> None:
    raise Refused


@job
def mails(subject: str, customer_no: int) -> None:
    raise Refused


@job(sensitive=["card_no"])
def charges(customer_no: int, card_no: str) -> None:
    raise Refused


@pytest.fixture
def failed() -> None:
    bills.enqueue(7)
    bills.enqueue(customer_no=7, plan="gold")
    bills.enqueue(8, "gold")
    mails.enqueue("hello", 7)
    mails.enqueue(subject="hello", customer_no=8)
    run_due()


def found(**arguments: Any) -> list[tuple[str, Any]]:
    rows = FailedJob.objects.filter(by_argument.having(arguments)).order_by("pk")
    return [(one.definition.rpartition(".")[2], one.arguments["kwargs"]) for one in rows]


def retried(*arguments: str) -> str:
    out = io.StringIO()
    call_command("queue_retry", *arguments, stdout=out)
    return out.getvalue()


def test_a_value_is_found_by_name_and_by_position_in_every_definition(failed: None) -> None:
    assert [name for name, _ in found(customer_no=7)] == ["bills", "bills", "mails"]
    assert [name for name, _ in found(customer_no=8)] == ["bills", "mails"]
    assert found(customer_no=9) == []


def test_several_narrow_together(failed: None) -> None:
    assert found(customer_no=7, plan="gold") == [("bills", {"customer_no": 7, "plan": "gold"})]
    assert [name for name, _ in found(plan="gold")] == ["bills", "bills"]


def test_a_text_is_no_number(failed: None) -> None:
    assert found(customer_no="7") == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"nothing_at_all": 1}, "arguments: 'nothing_at_all': is a parameter of no job definition"),
        ({"card_no": "4"}, "arguments: 'card_no': .* holds what is encrypted"),
        ({"customer_no": None}, "customer_no: None: null cannot be looked for"),
        ({}, "arguments: .* must be values"),
        (["customer_no"], "arguments: .* must be values"),
    ],
)
def test_what_cannot_be_looked_for_is_refused(failed: None, arguments: Any, says: str) -> None:
    with pytest.raises(InvalidOption, match=says):
        by_argument.checked(arguments)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a=7", ("a", 7)),
        ("a=acme", ("a", "acme")),
        ('a="7"', ("a", "7")),
        ("a=[1, 2]", ("a", [1, 2])),
        ("a=b=c", ("a", "b=c")),
        ("a", None),
        ("=7", None),
        ("a.b=7", None),
    ],
)
def test_a_text_names_an_argument(text: str, value: Any) -> None:
    assert by_argument.parsed(text) == value


def test_the_command_retries_by_argument(failed: None) -> None:
    assert "Would retry 3" in retried("--argument", "customer_no=7", "--dry-run")
    assert "Retried 1" in retried("--argument", "customer_no=7", "--argument", "plan=gold")
    assert Job.objects.filter(retry_of__isnull=False).count() == 1
    for wrong in ("customer_no", "nothing_at_all=1"):
        with pytest.raises(CommandError):
            retried("--argument", wrong)


def test_an_operation_at_a_rate_keeps_to_the_argument(failed: None) -> None:
    given = scope.checked({"arguments": {"customer_no": 7}})
    assert scope.failed_jobs_in(given).count() == 3
    operation = operations.start(given, OPERATOR, words="of customer 7", rate=100)
    while operations.advance(operation.pk).wait is not None:
        pass
    assert BulkOperation.objects.get().done == 3


def test_the_search_box_finds_it_too(boss: Client, failed: None) -> None:
    page = reverse("admin:jobs_failedjob_changelist")
    assert boss.get(page, {"q": "customer_no=7"}).text.count('name="_selected_action"') == 3
    assert boss.get(page, {"q": "plan=gold"}).text.count('name="_selected_action"') == 2
    assert "Nothing matches" in boss.get(page, {"q": "nothing_at_all=1"}).text
    matching = boss.get(reverse("admin:jobs_failedjob_retry_matching"), {"q": "customer_no=7"})
    assert matching.status_code == 200
    assert "3" in matching.text
