"""Uniqueness: of calls that are the same only one is in the ledger.

Whether two calls are the same is decided by a key, and by a primary key of the database: of many
processes that enqueue at the same moment one is the first. The others give way to its job: they
are left out, or change it, or are told of it by an exception.
"""
