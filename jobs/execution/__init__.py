"""Running jobs: the runner, its context, and the decisions after an attempt."""
