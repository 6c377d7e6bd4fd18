"""The site starts on every supported Django with what is installed, and nothing of development."""

from __future__ import annotations

import subprocess
import sys

from tests.support.processes import ROOT

# The backport of django.tasks makes classes of Django subscriptable (`ModelAdmin[Job]`), and needs
# that for itself; on Django 6, which has no backport, nothing does.
CHECK_WITHOUT_SUBSCRIPTS = """
import django_stubs_ext
from django.contrib.admin.options import BaseModelAdmin, ModelAdmin
from django.core.management import execute_from_command_line
from django.core.paginator import Paginator
from django.forms.formsets import BaseFormSet
from django.forms.models import BaseModelForm, BaseModelFormSet, ModelChoiceField
from django.views import View

def monkeypatch(*args, **kwargs):
    original(*args, **kwargs)
    for cls in (BaseModelAdmin, ModelAdmin, Paginator, BaseFormSet, BaseModelForm,
                BaseModelFormSet, ModelChoiceField, View):
        if "__class_getitem__" in vars(cls):
            del cls.__class_getitem__

original = django_stubs_ext.monkeypatch
django_stubs_ext.monkeypatch = monkeypatch
execute_from_command_line(["manage.py", "check"])
"""


def test_no_class_needs_the_typing_stubs_when_it_is_run(site_env: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CHECK_WITHOUT_SUBSCRIPTS],
        env=site_env,
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
