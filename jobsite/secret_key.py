"""The secret key of a site that was not given one: random, made once, kept on this machine.

`python -m jobsite.secret_key` makes it where there is none. It reads no settings: they need it.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path

from jobsite.environment import Environment

_FILE_NAME = "secret_key"


def local_secret_key(folder: Path) -> str:
    """The key kept in `folder`, or an empty string where there is none."""
    file = folder / _FILE_NAME
    return file.read_text().strip() if file.is_file() else ""


def ensure_local_secret_key(folder: Path) -> bool:
    """Make a key in `folder`, readable by its owner only; False if one is there already.

    Two callers at once end with the same key: only one of them can create the file.
    """
    folder.mkdir(parents=True, exist_ok=True)
    draft = folder / f"{_FILE_NAME}.{os.getpid()}"
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "w") as stream:
            stream.write(secrets.token_urlsafe(64) + "\n")
        os.link(draft, folder / _FILE_NAME)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


if __name__ == "__main__":
    ensure_local_secret_key(Environment.of_site().var_dir())
