"""What a terminal is shown of other people's text: one line, of bounded length, and only characters that print."""

import logging

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kilter.core.errors import KilterError, UnknownName
from kilter.core.text import masked, one_line, printable

ANY_TEXT = st.text(st.characters(), max_size=300)


@given(ANY_TEXT, st.integers(1, 50))
@example("\x1b]0;title\x07\x1b[2J", 50)
@example("\u202egnp.exe", 50)
@example("\ud800", 50)
@example("a\r\nb\u2028c\x85d", 50)
def test_one_line_prints_within_its_width(text, width):
    shown = one_line(text, width)
    assert len(shown) <= width and shown.isprintable()


@given(ANY_TEXT)
def test_printable_keeps_lines_and_only_what_prints(text):
    shown = printable(text)
    assert all(c.isprintable() or c in "\n\t" for c in shown)
    assert shown.count("\n") == text.count("\n")


@given(st.text(st.characters(exclude_categories=("C", "Z")), max_size=50))
def test_what_prints_stays_as_it_is(text):
    assert one_line(text) == text == printable(text)


def test_a_message_of_megabytes_is_no_work():
    assert one_line("x" * 50_000_000, 10) == "xxxxxxxxx…"


@given(ANY_TEXT)
def test_errors_hold_nothing_that_a_terminal_obeys(text):
    shown = str(KilterError(f"the study {text} is gone"))
    assert all(c.isprintable() or c in "\n\t" for c in shown)


def test_known_names_are_shown_short_and_in_one_line():
    known = ["digits", "\x1b[2J", "two\nlines", "n" * 10_000, *(f"study-{i}" for i in range(10_000))]
    shown = str(UnknownName.of("study", "q" * 10_000 + "\n", known))
    assert len(shown) < 1_500 and shown.isprintable()
    assert "digit" in str(UnknownName.of("study", "digts", known)) and "did you mean 'digits'?" in str(
        UnknownName.of("study", "digts", known)
    )


def test_whatever_is_logged_is_one_line_of_characters_to_print(caplog):
    logging.getLogger("kilter").warning("%s: %d", "a\x1b[2J\nb", 3)
    assert [record.getMessage() for record in caplog.records] == ["a\\x1b[2J b: 3"]


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("postgresql://ada:secret@db:5432/x", "postgresql://ada:***@db:5432/x"),
        ("postgresql://ada:se/cr@et@db/x", "postgresql://ada:***@db/x"),
        ("http://:secret@host:8517", "http://:***@host:8517"),
        ("redis://db/0?password=hush&user=me", "redis://db/0?password=***&user=me"),
        ("postgresql://ada:s?cr#t@db/x?host=/run&options=-c+x", "postgresql://ada:***@db/x?host=/run&options=***"),
        ("host=db user=ada password='my secret' dbname=x", "host=db user=ada password=*** dbname=x"),
        ("postgresql://ada@corp:secret@db/x", "postgresql://ada:***@db/x"),
        ("postgresql://corp/a[da:secret@db/x", "postgresql://corp/a[da:***@db/x"),
        ("postgresql://ada:secret", "postgresql://ada:***"),
        ("postgresql://ada:secret/5?x#", "postgresql://ada:***"),
        ("postgresql://[::1]:5432/x?password=hush", "postgresql://[::1]:5432/x?password=***"),
        ("postgresql://one:5432,two:5433/x", "postgresql://one:5432,two:5433/x"),
        ("postgresql://ada@db:5432/x", "postgresql://ada@db:5432/x"),
        (r"password = 'it\'s hush' host=db", "password=*** host=db"),
        (r"host=db sslpassword=se\ cr&et", "host=db sslpassword=***"),
        ("password='hush and no end", "password=***"),
        ("host=db password=*s://x", "host=db password=***"),
        ("sqlite:////home/me/studies.db", "sqlite:////home/me/studies.db"),
        ("sqlite:////home/a:b@c/studies.db", "sqlite:////home/a:b@c/studies.db"),
        ("http://host:8517/kilter", "http://host:8517/kilter"),
        ("memory://", "memory://"),
    ],
)
def test_secrets_in_the_address_of_a_storage_are_masked(url, shown):
    assert masked(url) == shown
