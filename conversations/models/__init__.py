from __future__ import annotations

from conversations.models.catalogue import AIModel, ModelPrice, Provider
from conversations.models.conversation import Conversation
from conversations.models.message import CostStatus, Endpoint, Message, Role

__all__ = [
    "AIModel",
    "Conversation",
    "CostStatus",
    "Endpoint",
    "Message",
    "ModelPrice",
    "Provider",
    "Role",
]
