"""Alerts: what is watched, when it is out of bounds, and who is told."""
