"""Tenants: who shares the queues of JOBS_FAIR_QUEUES, and with what weight."""
