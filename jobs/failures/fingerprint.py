"""The fingerprint of a failure: the same for failures of one cause."""

from __future__ import annotations

import hashlib
import re
import site
import sysconfig
from dataclasses import dataclass

_LITERALS = re.compile(
    r"""
    0x[0-9a-fA-F]+                                   # addresses
    | [0-9a-fA-F]{8}(?:-?[0-9a-fA-F]{4}){3}-?[0-9a-fA-F]{12}   # UUIDs
    | '[^']*' | "[^"]*"                              # quoted values
    | \d+(?:[.,:]\d+)*                               # numbers, times, versions
    """,
    re.VERBOSE,
)
_FRAME = re.compile(r'^  File "(?P<file>[^"]+)", line \d+, in (?P<name>.+)$', re.MULTILINE)

_LIBRARIES = tuple(
    {
        path
        for path in (
            *site.getsitepackages(),
            site.getusersitepackages(),
            sysconfig.get_path("stdlib"),
            sysconfig.get_path("purelib"),
        )
        if path
    }
)


def is_of_the_site(file: str) -> bool:
    """Whether a file of a traceback is the site's own code, not a library's."""
    return not file.startswith(_LIBRARIES) and "site-packages" not in file and file[:1] != "<"


@dataclass(frozen=True, slots=True)
class Cause:
    """What failures of one cause have in common."""

    exception_class: str
    message: str
    """The first line of the message, with ? for each value in it."""
    file: str
    """The last two parts of the path of the frame's file."""
    function: str

    @property
    def site(self) -> str:
        """The innermost frame of the site's own code, such as `shop/jobs.py in charge`."""
        return f"{self.file} in {self.function}" if self.file else ""

    @property
    def fingerprint(self) -> str:
        parts = "\0".join((self.exception_class, self.message, self.file, self.function))
        return hashlib.blake2b(parts.encode("utf-8", "replace"), digest_size=16).hexdigest()


def cause_of(exception_class: str, message: str, traceback: str) -> Cause:
    """The exception's class, its message without the values in it, and the innermost frame of the
    site's own code (file and function: not the line, which moves with every edit)."""
    frames = [found.group("file", "name") for found in _FRAME.finditer(traceback)]
    own = [frame for frame in frames if is_of_the_site(frame[0])]
    top = (own or frames or [("", "")])[-1]
    # The first line: what follows is often a list of values.
    normal = _LITERALS.sub("?", message.partition("\n")[0])[:500]
    return Cause(exception_class, normal, _module_of(top[0]), top[1])


def fingerprint(exception_class: str, message: str, traceback: str) -> str:
    """32 hexadecimal digits of the cause."""
    return cause_of(exception_class, message, traceback).fingerprint


def _module_of(file: str) -> str:
    """The last two parts of a path, so that hosts with other folders agree."""
    return "/".join(file.rsplit("/", 2)[-2:])
