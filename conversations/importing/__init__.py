"""Bringing logs of recorded calls into the database, in chunks that can be repeated safely."""
