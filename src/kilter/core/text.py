"""Other people's text, such as failures and names, made fit to be shown: short, and nothing that a terminal obeys."""

from __future__ import annotations

import logging
import re
import reprlib

WIDTH = 200
"""Characters of a message or a name that a line shows."""


def one_line(text: object, width: int = WIDTH) -> str:
    r"""The text in one line of at most `width` characters, with what is no character to print written as an escape.

    >>> print(one_line("CUDA out of memory\n  \x1b[2Jtried to allocate 2 GiB", 40))
    CUDA out of memory \x1b[2Jtried to allo…
    """
    start = str(text).strip()[: 4 * width]  # a message may have megabytes
    return shortened(printable(" ".join(start.split()), keep=""), width)


def printable(text: str, keep: str = "\n\t") -> str:
    r"""The text with escapes for what is no character to print, but for those to keep.

    >>> print(printable("Traceback\n  bell \a, red \x1b[31m"))
    Traceback
      bell \x07, red \x1b[31m
    """
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else repr(c)[1:-1] for c in text)


def shortened(text: str, width: int = WIDTH) -> str:
    """The text, or its beginning and an ellipsis where it has more than `width` characters.

    >>> shortened("learning_rate", 9)
    'learning…'
    """
    return text if len(text) <= width else text[: max(width - 1, 0)] + "…"


# To the last "@": one that should have been escaped does not end a password, and may stand in the name before it.
_PASSWORD = re.compile(r"(://(?![/\[])[^:@]*)[:@].*@", re.DOTALL)
_NO_PORT = re.compile(r"(://(?!\[)[^:@/?]*):(?!\*\*\*@|\d*(?:[,/?]|$)).*", re.DOTALL)
"""What stands where a port would, and is none: a password whose host was forgotten."""
_OPTION = re.compile(r"(?<=[?&])([^=&]*)=[^&]*")
_SETTING = re.compile(
    r"(\w*(?:password|passfile|token|secret))\s*=\s*(?:'(?:[^'\\]|\\.)*'?|(?:[^\s\\]|\\.)+)", re.IGNORECASE | re.DOTALL
)
_SCHEME = re.compile(r"[A-Za-z][\w+.-]+://")  # one letter is a drive of Windows
_HARMLESS = ("host", "hostaddr", "port", "user", "dbname", "sslmode")


def masked(url: str) -> str:
    """The URL of a storage without its secrets: the password, and options that do not only say where it is.

    >>> masked("postgresql://ada:secret@db/tuning?sslmode=require&password=x")
    'postgresql://ada:***@db/tuning?sslmode=require&password=***'
    """
    if not is_url(url):
        return _SETTING.sub(r"\1=***", url)
    url = _NO_PORT.sub(r"\1:***", _PASSWORD.sub(r"\1:***@", url))
    return _OPTION.sub(lambda option: option[0] if option[1] in _HARMLESS else f"{option[1]}=***", url)


def is_url(text: str) -> bool:
    """Whether a text begins like a URL, as in `http://`.

    >>> is_url("s3://team/digits"), is_url("runs/digits"), is_url("c://digits")
    (True, False, False)
    """
    return _SCHEME.match(text) is not None


def shown(value: object, width: int = 80) -> str:
    """The `repr` of any value, short: of long and deep ones the beginning.

    >>> shown([[1.5] * 1000] * 1000, 30)
    '[[1.5, 1.5, 1.5, 1.5, 1.5, 1.…'
    """
    try:
        return shortened(_SHORT.repr(value), width)
    except ValueError:  # an integer of more digits than Python writes
        return f"a {type(value).__name__}"


_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 200


class Printed(logging.Filter):
    """Lets every record of a logger through, in one line and with nothing that a terminal obeys."""

    def filter(self, record: logging.LogRecord) -> bool:
        """Write the record's message anew."""
        record.msg, record.args = one_line(record.getMessage(), 10 * WIDTH), ()
        return True


logging.getLogger("kilter").addFilter(Printed())  # whatever is warned of quotes names and other people's errors


def is_unicode(text: str) -> bool:
    """Whether the text has no lone surrogates, which no file and no terminal takes."""
    return not any("\ud800" <= character <= "\udfff" for character in text)


def in_unicode(text: str) -> str:
    r"""The text with an escape for each lone surrogate, which in JSON stands for it: no file takes it as it is.

    >>> in_unicode('{"file": "caf\udce9"}')
    '{"file": "caf\\udce9"}'
    """
    return text.encode("utf-8", "backslashreplace").decode()
