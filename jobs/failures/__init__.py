"""What can be done about jobs that failed for good.

`fingerprint` tells failures of one cause from others, `redrive` runs failed jobs again, and
`flushing` forgets them.
"""
