from __future__ import annotations

from conversations.admin.catalogue import AIModelAdmin, ModelPriceAdmin, ProviderAdmin
from conversations.admin.conversations import ConversationAdmin
from conversations.admin.messages import MessageAdmin

__all__ = [
    "AIModelAdmin",
    "ConversationAdmin",
    "MessageAdmin",
    "ModelPriceAdmin",
    "ProviderAdmin",
]
