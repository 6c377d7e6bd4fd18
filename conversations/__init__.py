"""Conversations with AI providers: what was asked, what was answered, and what it cost."""
