"""How commands name a pool."""

from __future__ import annotations

import difflib

from jobs.conf import Pool
from jobs.conf import settings as conf
from jobs.exceptions import JobsConfigurationError


def pool_of(name: str | None) -> Pool:
    """The pool of this name; the first one of JOBS_POOLS if there is no name.

    Raises JobsConfigurationError, with the nearest name, if there is no such pool.
    """
    if name is None:
        return next(iter(conf.POOLS.values()))
    if name not in conf.POOLS:
        near = difflib.get_close_matches(name, conf.POOLS, n=1)
        hint = f", did you mean {near[0]!r}?" if near else ""
        known = ", ".join(conf.POOLS)
        raise JobsConfigurationError(f"pool: {name!r}: must be one of {known} (JOBS_POOLS){hint}")
    return conf.POOLS[name]
