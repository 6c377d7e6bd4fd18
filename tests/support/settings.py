"""The site's settings as the tests run them: own secret, own folder for state, no `.env`."""

from __future__ import annotations

import atexit
import base64
import os
import secrets
import shutil
import tempfile
from pathlib import Path

_FOLDER = Path(tempfile.mkdtemp(prefix="jobsite-tests-"))
_OWNER = os.getpid()


def _remove_folder() -> None:
    # A forked worker of a test ends here too, and must leave its parent's folder alone.
    if os.getpid() == _OWNER:
        shutil.rmtree(_FOLDER, ignore_errors=True)


atexit.register(_remove_folder)

os.environ["JOBSITE_ENV_FILE"] = os.devnull
os.environ["SECRET_KEY"] = secrets.token_urlsafe(64)
os.environ["VAR_DIR"] = str(_FOLDER)
os.environ["JOBS_ENCRYPTION_KEYS"] = base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()

from jobsite.settings import *  # noqa: E402, F403
from jobsite.settings import DATABASES  # noqa: E402

PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]

# A file, since threads and worker processes of a test must see the same database.
if DATABASES["default"]["ENGINE"].endswith("sqlite3"):
    DATABASES["default"]["TEST"] = {"NAME": _FOLDER / "test.sqlite3"}
