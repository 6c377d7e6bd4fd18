"""Limits: how many jobs of a kind may run at once, or start in a period, across all clusters.

`declared` is what code says of them, `known` their rows, `rates` the arithmetic; the ledger lets
jobs pass or wait (`jobs.ledger.places`), and `operating` is what people may do about them.
"""
