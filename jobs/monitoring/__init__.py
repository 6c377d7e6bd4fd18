"""What can be told about queues, jobs and clusters, alike for admin, commands, JSON and health.

All of it stays cheap however many jobs there are: counts stop at a limit and say so, and figures
about the recent past read a bounded stretch of it through an index.
"""
