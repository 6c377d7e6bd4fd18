"""Workflows: chains, batches and graphs of steps, each of which nests in the others."""
