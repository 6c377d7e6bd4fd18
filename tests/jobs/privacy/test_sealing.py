"""Sensitive arguments on their way: encrypted when enqueued, plain in the function alone."""

from __future__ import annotations

import base64
import json
import secrets
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import transaction
from hypothesis import given
from hypothesis import strategies as st
from pytest_django import Settings

from jobs import arguments, checks, dispatch, job
from jobs.exceptions import EncryptionUnavailable, InvalidArguments, InvalidDefinition
from jobs.models import FailedJob, Job, JobSchedule
from jobs.privacy import encryption
from jobs.privacy.encryption import ENCRYPTED, is_sealed, seal, unseal
from jobs.privacy.masking import MASK, masked
from jobs.privacy.sealing import opened
from jobs.transports.sync import run_due
from tests.jobs import sample_jobs
from tests.jobs.privacy import secret_jobs
from tests.jobs.privacy.secret_jobs import CARD, TOKEN

letters = st.characters(exclude_characters="\x00", exclude_categories=["Cs"])
scalars = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(letters)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(letters), inner, max_size=3)
    ),
    max_leaves=8,
)


def new_key() -> str:
    return base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()


@given(values)
def test_every_json_value_comes_back_as_it_was(value: Any) -> None:
    sealed = seal(value)
    assert is_sealed(sealed)
    assert json.loads(json.dumps(sealed)) == sealed
    assert unseal(sealed) == value


def test_a_value_is_never_encrypted_twice_alike() -> None:
    assert seal("same") != seal("same")


@pytest.mark.parametrize(
    ("args", "kwargs", "shown"),
    [
        (("well", TOKEN), {}, {"args": ["well", MASK], "kwargs": {}}),
        (
            ("well",),
            {"token": TOKEN, "card": CARD},
            {"args": ["well"], "kwargs": {"token": MASK, "card": MASK}},
        ),
        (
            (),
            {"how": "well", "token": TOKEN, "card": None},
            {"args": [], "kwargs": {"how": "well", "token": MASK, "card": MASK}},
        ),
    ],
)
def test_just_the_sensitive_ones_are_encrypted(
    args: tuple[Any, ...], kwargs: dict[str, Any], shown: dict[str, Any]
) -> None:
    payload = arguments.encode(secret_jobs.charge, args, kwargs)
    assert masked(None, payload) == masked(secret_jobs.charge, payload) == shown
    assert json.loads(arguments.encoder(secret_jobs.charge)(args, kwargs)).keys() == payload.keys()
    assert masked(None, json.loads(arguments.encoder(secret_jobs.charge)(args, kwargs))) == shown
    assert opened(payload) == {"args": list(args), "kwargs": kwargs}
    assert arguments.decode(payload) == (list(args), kwargs)


def test_the_names_of_rest_and_others_cover_what_has_no_parameter_of_its_own() -> None:
    payload = arguments.encode(
        secret_jobs.collects, ("a", "b", "c"), {"word": "w", "x": 1, "y": None}
    )
    assert masked(None, payload) == {
        "args": ["a", MASK, MASK],
        "kwargs": {"word": "w", "x": MASK, "y": MASK},
    }


def test_a_value_that_was_stored_plainly_is_masked_by_its_name() -> None:
    old = {"args": ["well", "plain"], "kwargs": {"card": {"number": 1}}}
    assert masked(secret_jobs.charge.path, old) == {
        "args": ["well", MASK],
        "kwargs": {"card": MASK},
    }
    assert masked("no.such.definition", old) == old


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("token", "sensitive: 'token' must be a list of names"),
        (["tokn"], "sensitive: 'tokn' is no parameter of trusting; did you mean 'token'"),
        (["xyz"], "sensitive: 'xyz' is no parameter of trusting; there are token, note"),
        ([7], "sensitive: 7 is no parameter"),
        (None, "sensitive: None must be a list"),
    ],
)
def test_a_wrong_name_is_refused_where_the_job_is_declared(value: Any, message: str) -> None:
    with pytest.raises(InvalidDefinition, match=message):
        job(sensitive=value)(secret_jobs.trusting.func)


def test_names_are_kept_in_one_form_and_belong_to_the_declaration() -> None:
    assert secret_jobs.charge.sensitive == ("token", "card")
    assert secret_jobs.charge.using(priority=5).sensitive == ("token", "card")
    with pytest.raises(InvalidDefinition, match="sensitive: can only be given where"):
        secret_jobs.charge.using(sensitive=())


def test_a_plain_task_has_them_where_the_framework_passes_options_on() -> None:
    assert secret_jobs.plain_task.sensitive == ("token",)  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("args", "kwargs"),
    [
        ((1, "a-secret-word"), {}),
        (("well", ["a-secret-word"]), {}),
        (("well", b"a-secret-word"), {}),
        (("well", "a-secret-word\x00"), {}),
        (("well", "x"), {"card": ["a-secret-word"]}),
        (("well", "x"), {"card": {"deep": object()}}),
        (("well", "a-secret-word"), {"nonsense": "a-secret-word"}),
        (("well", "x", "a-secret-word"), {}),
        (("well", {ENCRYPTED: "a-secret-word"}), {}),
    ],
)
def test_a_refusal_does_not_tell_the_value(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    with pytest.raises(InvalidArguments) as caught:
        arguments.encode(secret_jobs.charge, args, kwargs)
    assert "a-secret-word" not in f"{caught.value} {caught.value.value!r} {caught.value.rule}"
    with pytest.raises(InvalidArguments) as caught:
        arguments.check_payload(secret_jobs.charge, {"args": "a-secret-word"})
    assert "a-secret-word" not in f"{caught.value} {caught.value.value!r}"


def test_an_encrypted_value_cannot_be_slipped_into_a_call() -> None:
    stolen = seal("of another job")
    with pytest.raises(InvalidArguments, match="is an encrypted value"):
        arguments.encode(sample_jobs.returns, (), {"value": stolen})


@pytest.mark.django_db(transaction=True)
def test_the_function_gets_model_instances_and_defaults_too(calls: list[Any]) -> None:
    group = Group.objects.create(name="writers")
    secret_jobs.about.enqueue(group)
    stored = Job.objects.get().arguments
    assert masked(None, stored) == {"args": [MASK], "kwargs": {}}
    assert opened(stored)["args"] == [{"$model": "auth.group", "pk": str(group.pk)}]
    run_due()
    assert calls == [("writers", "fast")]
    secret_jobs.about.enqueue(group)
    group.delete()
    run_due()
    told = FailedJob.objects.get().message
    assert told == f"auth.Group with primary key '{MASK}' no longer exists"


@pytest.mark.django_db
@pytest.mark.parametrize("definition", [secret_jobs.tagged, secret_jobs.tagged_badly])
def test_tags_with_a_secret_are_refused(definition: Any) -> None:
    with pytest.raises(InvalidArguments, match="tags: ") as caught:
        definition.enqueue("a-secret-word")
    assert "a-secret-word" not in str(caught.value)
    assert not Job.objects.exists()


@pytest.mark.django_db
def test_without_a_key_nothing_is_enqueued_and_check_says_so(settings: Settings) -> None:
    settings.JOBS_ENCRYPTION_KEYS = []
    for enqueue in (
        lambda: secret_jobs.charge.enqueue("well", TOKEN),
        lambda: secret_jobs.charge.enqueue_many([("well", TOKEN)]),
        lambda: JobSchedule.objects.create(
            name="x", definition=secret_jobs.charge.path, arguments={"args": ["well", TOKEN]},
            cron="0 3 * * *",
        ),
    ):  # fmt: skip
        with (
            pytest.raises(EncryptionUnavailable, match="JOBS_ENCRYPTION_KEYS has no key"),
            transaction.atomic(),
        ):
            enqueue()
    assert not Job.objects.exists()
    assert not JobSchedule.objects.exists()
    found = [str(item.msg) for item in checks.check_sensitive()]
    assert any(secret_jobs.charge.path in text and "token, card" in text for text in found)


def test_with_a_key_check_finds_nothing(settings: Settings) -> None:
    assert list(checks.check_sensitive()) == []
    settings.JOBS_ENCRYPTION_KEYS = ["not a key"]
    assert list(checks.check_sensitive()) == []


def test_without_the_library_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    encryption._cipher_of.cache_clear()
    monkeypatch.setitem(sys.modules, "cryptography.fernet", None)
    try:
        with pytest.raises(EncryptionUnavailable, match=r"install jobsite\[encryption\]"):
            seal("x")
    finally:
        encryption._cipher_of.cache_clear()


@pytest.mark.parametrize("key", ["hunter2-hunter2", "", 7, "ä" * 44, "A" * 43])
def test_a_wrong_key_is_refused_and_not_shown(settings: Settings, key: Any) -> None:
    settings.JOBS_ENCRYPTION_KEYS = [new_key(), key]
    (found,) = checks.check_settings()
    assert "JOBS_ENCRYPTION_KEYS: key 2 of 2: must be 32 bytes" in str(found.msg)
    assert "hunter2" not in str(found.msg)
    settings.JOBS_ENCRYPTION_KEYS = new_key()
    assert "must be a list of keys" in str(next(iter(checks.check_settings())).msg)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("keys", [[], [new_key()]])
def test_a_missing_key_fails_the_job_for_good_and_clearly(
    settings: Settings, calls: list[Any], keys: list[str]
) -> None:
    mine = settings.JOBS_ENCRYPTION_KEYS
    secret_jobs.charge.enqueue("well", TOKEN)
    settings.JOBS_ENCRYPTION_KEYS = keys
    run_due()
    failed = FailedJob.objects.get()
    assert failed.exception_class == "jobs.exceptions.Undecryptable"
    assert failed.message.startswith("A sensitive argument cannot be decrypted: ")
    assert (failed.attempts, calls) == (1, [])
    with pytest.raises((InvalidArguments, EncryptionUnavailable)):
        dispatch.new_job_from(failed.definition, failed.arguments)
    settings.JOBS_ENCRYPTION_KEYS = [*keys, *mine]
    dispatch.insert([dispatch.new_job_from(failed.definition, failed.arguments)])
    run_due()
    assert calls == [("well", TOKEN, None)]


@pytest.mark.django_db(transaction=True)
def test_a_text_that_was_altered_is_refused(calls: list[Any]) -> None:
    secret_jobs.charge.enqueue("well", TOKEN)
    job = Job.objects.get()
    token = job.arguments["args"][1][ENCRYPTED]
    for altered in (f"{token[:-4]}AAA=", "", 5, None):
        job.arguments["args"][1] = {ENCRYPTED: altered}
        Job.objects.filter(pk=job.pk).update(arguments=job.arguments, state="ready", attempts=0)
        FailedJob.objects.all().delete()
        run_due()
        assert FailedJob.objects.get().exception_class == "jobs.exceptions.Undecryptable"
    assert calls == []


@pytest.mark.django_db(transaction=True)
def test_a_parameter_may_become_sensitive_and_cease_to_be_while_jobs_wait(calls: list[Any]) -> None:
    # Enqueued before it became so.
    old = secret_jobs.charge.enqueue("fails", "replaced-below")
    payload = {"args": ["fails", "plain-old-secret"], "kwargs": {}}
    Job.objects.filter(pk=old.id).update(arguments=payload)
    run_due()
    failed = FailedJob.objects.get()
    assert "plain-old-secret" not in f"{failed.message} {failed.traceback}"
    assert calls[0] == ("fails", "plain-old-secret", None)
    # Enqueued before it ceased to be.
    new = secret_jobs.trusting.enqueue("x")
    sealed_call = {"args": [seal("still-a-secret")], "kwargs": {}}
    Job.objects.filter(pk=new.id).update(arguments=sealed_call)
    run_due()
    assert calls[-1] == ("still-a-secret", "")
    assert Job.objects.get(pk=new.id).result == MASK
    again = dispatch.new_job_from(secret_jobs.trusting.path, sealed_call)
    assert again.arguments == sealed_call


@pytest.mark.django_db(transaction=True)
def test_the_callback_for_a_failure_gets_no_secret(calls: list[Any]) -> None:
    secret_jobs.tells.enqueue("a-secret-word")
    run_due()
    ((kind, message, given),) = calls
    assert (kind, message) == ("Declined", f"no {MASK}")
    assert is_sealed(given["args"][0])


@pytest.mark.django_db
def test_schedules_keep_what_is_encrypted_until_it_changes() -> None:
    schedule = JobSchedule.objects.create(
        name="x", definition=secret_jobs.charge.path, cron="0 3 * * *",
        arguments={"args": ["well"], "kwargs": {"token": TOKEN}},
    )  # fmt: skip
    first = JobSchedule.objects.get().arguments
    assert masked(None, first) == {"args": ["well"], "kwargs": {"token": MASK}}
    schedule.save()
    assert JobSchedule.objects.get().arguments == first
    schedule.arguments["args"] = ["release"]
    schedule.save(update_fields=["arguments"])
    assert JobSchedule.objects.get().arguments["kwargs"] == first["kwargs"]
