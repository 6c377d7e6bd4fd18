"""Providers, their models and prices: the site's copy of the price catalogue."""
