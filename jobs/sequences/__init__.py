"""Sequences: jobs of one key that run one after the other."""
