"""The broker that puts django-q2's tasks into the ledger."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any
from uuid import UUID

from django.db import connections
from django_q.brokers import Broker
from django_q.conf import Conf
from django_q.signing import SignedPackage

from jobs.audit import Actor
from jobs.conf import settings

if TYPE_CHECKING:
    from jobs.models.job import JobQuerySet

ACTOR = "django-q2 broker"


class LedgerBroker(Broker):  # type: ignore[misc]
    """`Q_CLUSTER["broker_class"] = "jobs.django_q2.broker.LedgerBroker"`.

    A task becomes a job the moment `async_task` returns, in the caller's transaction: it is rolled
    back with the caller's data. The workers of our cluster claim jobs from the ledger by
    themselves; what else takes tasks from here, such as django-q2's own pusher, works too, with
    django-q2's guarantees: see `jobs.django_q2.pulling`.
    """

    def enqueue(self, task: str) -> str:
        """Insert the job of a signed task, and one for each link of its chain; return its id.

        Raises InvalidArguments for an argument that cannot be stored, and InvalidOption for an
        option that is not valid; then nothing is enqueued.
        """
        from jobs import dispatch
        from jobs.django_q2 import enqueueing

        jobs = enqueueing.new_jobs(SignedPackage.loads(task), self.list_key)
        return str(dispatch.insert(jobs)[0])

    def dequeue(self) -> list[tuple[str, str]] | None:
        """Take up to `bulk` old calls of this queue: an acknowledgement and a signed package of
        each. None after a pause of `poll` seconds if there is none."""
        from jobs.django_q2 import pulling

        taken = pulling.take(self._queue(), Conf.BULK)
        if not taken:
            time.sleep(Conf.POLL)
        return taken or None

    def queue_size(self) -> int:
        """How many jobs of this queue can be claimed now; those of new code are among them."""
        return self._jobs().ready().count()

    def lock_size(self) -> int:
        """How many jobs of this queue are running."""
        return self._jobs().running().count()

    def delete(self, task_id: Any) -> bool:
        """Cancel the waiting old call of this id, which may be the job's or django-q2's; True if
        there was one. Audited."""
        return bool(self._cancel(self._old_calls().filter(self._named(task_id)), f"task {task_id}"))

    def purge_queue(self) -> int:
        """Cancel all waiting old calls of this queue, and return how many; jobs of new code stay.
        Audited."""
        return self._cancel(self._old_calls(), f"django-q2 tasks on queue {self._queue()}")

    def delete_queue(self) -> int:
        """See `purge_queue`: a queue is nothing but its jobs."""
        return self.purge_queue()

    def acknowledge(self, task_id: Any) -> bool:
        """Write the end of a task that `dequeue` gave; False if it is held no longer."""
        from jobs.django_q2 import pulling

        return pulling.acknowledge(str(task_id))

    def fail(self, task_id: Any) -> bool:
        """Fail a task that `dequeue` gave and that could not be opened; False as above."""
        from jobs.django_q2 import pulling

        return pulling.fail(str(task_id))

    def ping(self) -> bool:
        """Whether the ledger's database answers. Raises DatabaseError where it does not."""
        with connections[settings.DATABASE].cursor() as cursor:
            cursor.execute("SELECT 1")
            return cursor.fetchone() is not None

    def info(self) -> str:
        """The ledger and its database, for `qinfo` and `qmonitor`."""
        return f"Ledger on {connections[settings.DATABASE].display_name}"

    def _queue(self) -> str:
        from jobs.django_q2 import enqueueing

        return enqueueing.queue_of(self.list_key)

    def _jobs(self) -> JobQuerySet:
        from jobs.models import Job

        return Job.objects.using(settings.DATABASE).on_queues([self._queue()])

    def _old_calls(self) -> JobQuerySet:
        from jobs.django_q2.task import run_task

        return self._jobs().waiting().filter(definition=run_task.path)

    def _cancel(self, found: JobQuerySet, scope: str) -> int:
        from jobs import cancelling

        actor = Actor.of_code(ACTOR)
        return cancelling.cancel(found, actor, "through django-q2's broker", scope=scope).cancelled

    def _named(self, task_id: Any) -> Any:
        from django.db.models import Exists, OuterRef, Q

        from jobs.django_q2.calls import id_tag
        from jobs.models import JobTag

        tagged = Exists(JobTag.objects.filter(job=OuterRef("pk"), name=id_tag(str(task_id))))
        try:
            return Q(pk=UUID(str(task_id))) | Q(tagged)
        except ValueError:
            return Q(tagged)
