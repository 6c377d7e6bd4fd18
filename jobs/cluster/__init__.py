"""The cluster: django-q2's Cluster and Sentinel, subclassed, with workers that pull.

    parent ── sentinel ──┬── clock    heartbeat, rescue, schedules, upkeep: what needs a database
                         ├── worker   claims for itself, runs, reports
                         └── worker …

The sentinel only watches: it forks, waits, reads memory that each worker shares with it, and kills.
It holds no lock and no connection, so that nothing which hangs elsewhere can stop it. Whoever is
killed takes its children along, and whoever started it starts it anew; what a dead worker was
running is read from the ledger.
"""
