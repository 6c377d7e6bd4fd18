"""Idempotency: what was done is not done again, whoever asks for it."""
