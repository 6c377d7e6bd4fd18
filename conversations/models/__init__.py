from __future__ import annotations

from conversations.models.catalogue import AIModel, ModelPrice, PriceSource, Provider
from conversations.models.conversation import ArchivedCall, Conversation
from conversations.models.message import CostStatus, Endpoint, Message, Role

__all__ = [
    "AIModel",
    "ArchivedCall",
    "Conversation",
    "CostStatus",
    "Endpoint",
    "Message",
    "ModelPrice",
    "PriceSource",
    "Provider",
    "Role",
]
