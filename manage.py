#!/usr/bin/env python
"""Run one of the site's management commands."""

from __future__ import annotations

import os
import sys


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "jobsite.settings")
    try:
        from django.core.management import execute_from_command_line

        from jobsite.environment import EnvironmentRefused
    except ModuleNotFoundError as error:
        sys.exit(f"{error}. Run `make setup`, and then `.venv/bin/python manage.py`.")
    try:
        execute_from_command_line(sys.argv)
    except EnvironmentRefused as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
