"""Recorded calls into rows: each call once, whoever else imports the same log."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from django.db import transaction
from django.utils import timezone
from django.utils.text import Truncator

from conversations.calls.record import RecordedCall, parse_call
from conversations.calls.threads import Place, place_of, storable
from conversations.catalogue.lookup import models_by_name, providers_by_slug
from conversations.costs import lock_conversations, refresh_totals
from conversations.exceptions import InvalidCall, UsageMissing
from conversations.importing.chunks import Chunk, read_chunk
from conversations.importing.joining import join_threads
from conversations.models import (
    AIModel,
    ArchivedCall,
    Conversation,
    CostStatus,
    Message,
    Provider,
)
from conversations.usage import extract_usage, reported_usage, service_tier


@dataclass(slots=True, kw_only=True)
class ImportReport:
    """What became of a chunk's lines. `unpriced` came in without a usage to compute a cost from;
    `uncosted` are the ids of the messages that wait for their cost."""

    lines: int = 0
    imported: int = 0
    known: int = 0
    unpriced: int = 0
    refused: list[dict[str, Any]] = field(default_factory=list)
    uncosted: list[int] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def import_chunk(chunk: Chunk, user_id: int | None = None) -> ImportReport:
    """Import a chunk's calls; repeated, it imports nothing twice.

    A broken line is reported with its number and its fault, and the others go in. All that go in
    do so in one transaction. The calls belong to the user `user_id`, or to nobody. Raises
    `ImportSourceChanged`.
    """
    report = ImportReport()
    calls: dict[str, RecordedCall] = {}
    for number, line in read_chunk(chunk):
        report.lines += 1
        try:
            call = parse_call(line)
        except InvalidCall as error:
            report.refused.append({"line": number, "reason": str(error)[:300]})
            continue
        if call.source_key in calls:
            report.known += 1
        calls[call.source_key] = call
    store_calls(list(calls.values()), report, user_id)
    return report


def store_calls(
    calls: Sequence[RecordedCall], report: ImportReport, user_id: int | None = None
) -> None:
    """Write `calls` that the database does not have, link them, and count them in `report`."""
    if not calls:
        return
    keys = [call.source_key for call in calls]
    with transaction.atomic():
        providers = providers_by_slug(call.provider for call in calls)
        models = models_by_name(((call.provider, call.model) for call in calls), providers)
        # Serialises the imports of one provider's calls, so that two of them cannot both find
        # the same call missing.
        ids = sorted(provider.pk for provider in providers.values())
        list(Provider.objects.filter(pk__in=ids).order_by("pk").select_for_update())
        known = _known(keys)
        new = [call for call in calls if call.source_key not in known]
        places = {call.source_key: place_of(call) for call in new}
        conversations = _conversations(new, places, user_id)
        messages = [
            _message(call, places[call.source_key], conversations, providers, models)
            for call in new
        ]
        Message.objects.bulk_create(messages, batch_size=500)
        refresh_totals({row.pk for row in conversations.values()})
    report.imported += len(new)
    report.known += len(calls) - len(new)
    report.unpriced += sum(row.cost_status == CostStatus.UNPRICED for row in messages)
    # After the commit: of two chunks that belong together the later one then sees the other. And
    # for known calls too, since an import that died before this line is repeated by a retry.
    join_threads(keys)
    stored = Message.objects.uncosted().filter(source_key__in=keys)
    report.uncosted = sorted(stored.values_list("pk", flat=True))


def _known(keys: Collection[str]) -> set[str]:
    stored = Message.objects.filter(source_key__in=keys).values_list("source_key", flat=True)
    archived = ArchivedCall.objects.filter(pk__in=keys).values_list("pk", flat=True)
    return {str(key) for key in (*stored, *archived)}


def _conversations(
    calls: Sequence[RecordedCall], places: dict[str, Place], user_id: int | None
) -> dict[str, Conversation]:
    """The conversation of each call by its key: the provider's own, or one for the call alone."""
    wanted: dict[str, Conversation] = {}
    for call in sorted(calls, key=lambda call: (call.requested_at, call.source_key)):
        place = places[call.source_key]
        key = _conversation_key(call, place)
        title = Truncator(" ".join(place.opening.split())).chars(120)
        wanted.setdefault(key, Conversation(source_key=key, title=title, user_id=user_id))
    Conversation.objects.bulk_create(wanted.values(), ignore_conflicts=True, batch_size=500)
    stored = Conversation.objects.filter(source_key__in=wanted)
    active = lock_conversations(stored.values_list("pk", flat=True))
    Conversation.objects.filter(pk__in=active).update(updated_at=timezone.now())
    return _open(wanted, active)


def _open(wanted: dict[str, Conversation], active: Collection[int]) -> dict[str, Conversation]:
    """The active conversations by key; for an archived one, a new one of the same title."""
    rows = Conversation.objects.filter(pk__in=active)
    found = {str(row.source_key): row for row in rows}
    for key, row in wanted.items():
        if key not in found:
            found[key] = Conversation.objects.create(title=row.title, user_id=row.user_id)
    return found


def _conversation_key(call: RecordedCall, place: Place) -> str:
    if place.conversation_id:
        return f"{call.provider}:{place.conversation_id}"[:200]
    return f"call:{call.source_key}"


def _message(
    call: RecordedCall,
    place: Place,
    conversations: dict[str, Conversation],
    providers: dict[str, Provider],
    models: dict[tuple[str, str], AIModel],
) -> Message:
    reported = reported_usage(call.endpoint, call.response)
    message = Message(
        conversation=conversations[_conversation_key(call, place)],
        provider=providers[call.provider],
        model=models[call.provider, call.model],
        model_name=call.model,
        endpoint=call.endpoint,
        prompt=place.prompt,
        content=place.answer,
        usage=_storable_json(reported),
        service_tier=service_tier(call.response, reported or {}),
        requested_at=call.requested_at,
        source_key=call.source_key,
        response_id=place.response_id,
        reply_key=place.reply_key,
        continues_key=place.continues_key,
    )
    _set_usage(message, call)
    return message


def _set_usage(message: Message, call: RecordedCall) -> None:
    try:
        usage = extract_usage(
            provider=call.provider, endpoint=call.endpoint, response=call.response
        )
    except UsageMissing as missing:
        message.cost_status = CostStatus.UNPRICED
        message.unpriced_reason = storable(str(missing))[:300]
        message.costed_at = timezone.now()
        return
    message.input_tokens = usage.input
    message.cache_read_tokens = usage.cache_read
    message.cache_write_tokens = usage.cache_write
    message.output_tokens = usage.output
    message.reasoning_tokens = usage.reasoning
    message.usage_detail = dict(usage.detail)


def _storable_json(value: Any) -> Any:
    if isinstance(value, str):
        return storable(value)
    if isinstance(value, dict):
        return {storable(str(key)): _storable_json(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_storable_json(item) for item in value]
    return value
