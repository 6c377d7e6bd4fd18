"""Jobsite and its peers measured side by side: `make bench`, described in docs/performance.md."""
