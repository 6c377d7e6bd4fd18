"""What can be done about jobs that failed for good.

`fingerprint` tells failures of one cause from others, `redrive` runs failed jobs again,
`operations` does so with many at a rate, `recovery` by the rule of their definition, and `editing`
with other arguments; `flushing` forgets and restores them. `groups` decides about all failures of a
cause, `patterns` tells where they come from, and `notify` tells people.
"""
