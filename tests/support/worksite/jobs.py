"""Job definitions that do what jobs do wrong, and a diary that survives whatever they do."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from jobs import Backoff, ConcurrencyLimit, RateLimited, current_job, job, steps, workflow


def note(word: str) -> None:
    """Add a line to the diary: one write, so that no other process comes between."""
    line = f"{word} {os.getpid()}\n".encode()
    diary = os.open(Path(os.environ["WORKSITE_DIARY"]), os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(diary, line)
    finally:
        os.close(diary)


@job
def noop(number: int = 0) -> None:
    """Nothing."""


@job
def add(a: int, b: int) -> int:
    return a + b


@job
def record(word: str, seconds: float = 0) -> str:
    """Write down that it ran."""
    note(word)
    time.sleep(seconds)
    return word


@job(delivery="at_most_once")
def record_once(word: str, seconds: float = 0) -> str:
    """Write down that it ran; to be run no second time."""
    note(word)
    time.sleep(seconds)
    return word


@job(max_crashes=100)
def sleep(seconds: float, word: str = "slept") -> str:
    note(f"{word}-begins")
    deadline = time.monotonic() + seconds
    while (left := deadline - time.monotonic()) > 0:
        time.sleep(left)
    note(f"{word}-ends")
    return word


@job(max_crashes=100)
def hold(word: str = "held") -> int:
    """Take a minute at the first attempt, and no time at another."""
    running = current_job()
    assert running is not None
    note(word)
    if running.attempt == 1:
        time.sleep(60)
    return running.attempt


@job(max_attempts=3, backoff=0.2)
def fail_twice(word: str) -> int:
    """Succeed at the third attempt."""
    running = current_job()
    assert running is not None
    note(word)
    if running.attempt < 3:
        raise ValueError(f"attempt {running.attempt}")
    return running.attempt


@job(timeout=0.3)
def hang_in_c(word: str = "hung") -> None:
    """Wait for ever in C while holding the interpreter's lock: no signal handler can run."""
    note(word)
    libc, mutex = ctypes.PyDLL(None), ctypes.create_string_buffer(256)
    libc.pthread_mutex_init(mutex, None)
    libc.pthread_mutex_lock(mutex)
    libc.pthread_mutex_lock(mutex)


@job(timeout=0.3)
def swallow_everything() -> None:
    """Go on, whatever is raised."""
    note("swallows")
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        try:
            time.sleep(1)
        except Exception as error:
            note(type(error).__name__)


@job(timeout=0.3, max_attempts=2, backoff=Backoff(0.1))
def hang_politely() -> None:
    time.sleep(60)


@job(max_crashes=2)
def exit_now(code: int) -> None:
    """End the process without a word."""
    note("exits")
    os._exit(code)


@job(max_attempts=1)
def raise_system_exit() -> None:
    sys.exit(3)


@job(max_attempts=2, backoff=0.1, tags=["dig", "a-tag-that-is-as-long-as-tags-of-real-sites-are"])
def dig(depth: int, tool: str = "a very long value without a single place to break it" * 4) -> None:
    """Raise from so many frames below, with a long message, after writing to the log."""
    running = current_job()
    assert running is not None
    running.progress(1, 3, "digging")
    running.log("the ground is hard " * 20)
    _dig(depth, tool)


def _dig(depth: int, tool: str) -> None:
    if depth == 0:
        raise ValueError(f"there is no deeper than this: {tool.replace(' ', '_')}")
    _dig(depth - 1, tool)


@job(max_crashes=1)
def kill_itself() -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


@job(on_crash="fail")
def eat_memory(megabytes: int, seconds: float = 0) -> int:
    """Take so much memory, keep it for so long, and drop it."""
    note("eats")
    food = bytearray(megabytes * 1024 * 1024)
    for place in range(0, len(food), 4096):
        food[place] = 1
    time.sleep(seconds)
    return len(food)


hoard: list[bytearray] = []


@job
def leak(megabytes: int) -> int:
    """Take memory and keep it."""
    hoard.append(bytearray(os.urandom(1024)) * (megabytes * 1024))
    note("leaks")
    return os.getpid()


@job
def leave_a_program(seconds: int) -> int:
    """Start a program that keeps every descriptor of the worker open, and die."""
    child = os.fork()
    if child == 0:
        time.sleep(seconds)
        os._exit(0)
    note(f"child-{child}")
    os.kill(os.getpid(), signal.SIGKILL)
    return child


@job
def run_a_program(seconds: float) -> int:
    return subprocess.run(["sleep", str(seconds)], check=True).returncode


@job
def interrupt_a_program() -> int:
    """Send Ctrl-C's signal to a program and tell how it ended."""
    program = subprocess.Popen(["sleep", "60"])
    program.send_signal(signal.SIGINT)
    return program.wait(10)


@job
def write_audit(word: str) -> None:
    """Use the site's own database connection."""
    from jobs.models import AuditEntry

    AuditEntry.objects.create(actor_name="job", surface="python", action="test", target=word)


@job
def leave_transaction_open(word: str) -> None:
    """Begin a transaction and forget it."""
    from django.db import transaction

    from jobs.models import AuditEntry

    transaction.atomic().__enter__()
    AuditEntry.objects.create(actor_name="job", surface="python", action="test", target=word)


@job
def heed_stop(seconds: float) -> str:
    """Work until it is told to stop."""
    running = current_job()
    assert running is not None
    note("heeds")
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if running.should_stop():
            return "stopped early"
        time.sleep(0.02)
    return "went on"


@job
def compute_in_a_process(number: int) -> int:
    """Let a child of the worker do the work."""
    with multiprocessing.get_context("fork").Pool(1) as pool:
        return pool.apply(_double, (number,))


def _double(number: int) -> int:
    return 2 * number


@job(middleware=[ConcurrencyLimit(amount=1, name="alone")], max_crashes=100)
def alone(word: str, seconds: float = 0) -> None:
    """Run while no other such job does."""
    note(f"{word}-begins")
    time.sleep(seconds)
    note(f"{word}-ends")


@job(middleware=[RateLimited("paced", "10/s", kind="bucket", burst=1)])
def paced(number: int) -> float:
    note(f"paced-{number}")
    return time.monotonic()


@job(timeout=None)
def walk(words: list[str], seconds: float) -> None:
    """Write down each word, once, however often it is interrupted."""
    for word in steps().each("walk", words):
        note(word)
        time.sleep(seconds)


@job
def release_with_approval(version: str) -> str:
    """Begin a workflow that waits for a person."""
    flow = (
        workflow(f"release {version}")
        .step("build", record.s(f"built {version}"))
        .approval("boss agrees", after=["build"])
        .step("publish", record.s(f"published {version}"), after=["boss agrees"])
        .enqueue()
    )
    return str(flow.id)


@job(tags=["crm"])
def calls_the_crm(number: int) -> int:
    """A job that can be held back by its tag."""
    return number
