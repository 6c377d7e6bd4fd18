from __future__ import annotations


class ConversationsError(Exception):
    """Base of this app's errors. Do not raise it directly."""


class InvalidCall(ConversationsError):
    """A recorded call breaks the rules of its format.

    `field` names the offending key, `rule` what it must be.
    """

    def __init__(self, field: str, rule: str) -> None:
        self.field = field
        self.rule = rule
        super().__init__(f"{field}: {rule}")


class UsageMissing(ConversationsError):
    """A response reports no usage that a cost could be computed from; `str()` says why."""


class UnknownProvider(ConversationsError):
    """No provider of this site has that slug."""


class ArchiveError(ConversationsError):
    """An archive could not be written, verified or read. Nothing was deleted."""


class ImportSourceChanged(ConversationsError):
    """The log changed, or went away, between planning its import and reading a chunk of it."""
