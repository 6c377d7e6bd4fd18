"""Forms that are made from the signatures of job definitions."""
