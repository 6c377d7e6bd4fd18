"""What keeps existing django-q2 code running on the ledger.

`async_task`, `async_chain`, `async_iter`, groups, hooks, cached results and `Schedule` rows work as
before once `Q_CLUSTER["broker_class"]` is `"jobs.django_q2.broker.LedgerBroker"`. Each old call is
a job of the internal definition `jobs.django_q2.task.run_task`.
"""
