"""Job definitions with sensitive arguments, which do all they can to tell them."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

from django.contrib.auth.models import Group

from jobs import Idempotent, Unique, WithoutOverlapping, current_job, job
from jobs.compat import task

CORE = "s3cr3tC0RE"
"""What every way to write the secrets has in it."""
TOKEN = f'it\'s "{CORE}" é&\\'
CARD = {"number": f"4111-{CORE}", "codes": [f"{CORE}-\n-second line of {CORE}"], "pin": 8041112233}
SECRET_NUMBER = "8041112233"

calls: list[Any] = []
"""What the jobs got in this process."""


class Declined(Exception):
    """Says more than it should."""

    def __init__(self, message: str, token: str = "") -> None:
        self.token = token
        super().__init__(message)


@job(sensitive=["token", "card"], max_attempts=2, backoff=0)
def charge(how: str, token: str, *, card: dict[str, Any] | None = None) -> Any:
    """Charge a card, and tell everybody.

    token: what the bank gave us
    """
    running = current_job()
    calls.append((how, token, card))
    if running is not None:
        running.log(f"charging with {token!r}")
        running.log({"card": card}, level="warning")
        running.progress(1, 2, f"at https://bank.example/?token={quote(token, safe='')}")
    if how == "release" and running is not None and running.attempt == 1:
        running.release(0)
    if how == "give up" and running is not None:
        running.fail(Declined(f"gave up on {token}"))
    if how == "fails" or (how == "fails once" and running is not None and running.attempt == 1):
        try:
            raise ValueError(f"inner {card}")
        except ValueError as error:
            error.add_note(f"a note about {token}")
            raise Declined(f"the bank declined {token!r} of {card}", token) from error
    return {
        "echo": token,
        f"key {token}": [card],
        "pin": (card or {}).get("pin"),
        "plain": "visible",
    }


@job(sensitive=["token"])
def fails_in_groups(token: str) -> None:
    raise ExceptionGroup(f"many about {token}", [KeyError(token), Declined(token, token)])


@job(sensitive=["rest", "named"])
def collects(first: str, *rest: str, word: str = "w", **named: Any) -> Any:
    calls.append((first, rest, word, named))
    return [first, *rest, word, named]


@job(sensitive=["group", "mode"])
def about(group: Group, mode: str = "fast", limit: int | None = None) -> str:
    calls.append((group.name, mode))
    return mode


@task(sensitive=["token"])
def plain_task(token: str) -> str:
    calls.append(token)
    return token


@job(sensitive=["token"], tags=lambda token: [f"token:{token}"])
def tagged(token: str) -> None:
    """Would have its secret in a tag."""


@job(sensitive=["token"], tags=lambda token: {}[token])
def tagged_badly(token: str) -> None:
    """Its tags raise with the secret."""


def remember(error: BaseException) -> None:
    failed = current_job()
    assert failed is not None
    calls.append((type(error).__name__, str(error), failed.arguments))


@job(sensitive=["token"], on_failure=remember)
def tells(token: str) -> None:
    raise Declined(f"no {token}")


@job
def trusting(token: str, note: str = "") -> str:
    """Names nothing sensitive, or does not any more."""
    calls.append((token, note))
    return token


def plain_function(token: str) -> str:
    return token


@job(sensitive=["token"], middleware=[Unique()])
def only_once(token: str) -> None: ...


@job(sensitive=["token"], middleware=[Unique(lambda token: 1 / 0 if token else token)])
def has_a_broken_key(token: str) -> None: ...


@job(sensitive=["token"], middleware=[WithoutOverlapping(lambda token: token)])
def alone_for_its_token(token: str) -> None: ...


@job(sensitive=["token"], middleware=[Idempotent(lambda token: token)])
def answers_once(token: str) -> str:
    return f"used {token}"


@job(
    sensitive=["token"],
    middleware=[lambda job, proceed: job.skip(f"no {job.call[0][0]}", result=[job.call[0][0]])],
)
def is_skipped(token: str) -> None: ...
