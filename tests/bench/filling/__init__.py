"""Fills a ledger with history, so that what is measured is a site of some age."""
