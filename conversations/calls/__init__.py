"""Recorded calls to AI providers: reading them, and finding out which follows which."""
