"""Where in a text for the shell a quoted value stays one word, and where it would come apart."""

from __future__ import annotations

PLACES = {
    "'": "within quotes",
    '"': "within quotes",
    "$'": "within quotes",
    "`": "within backticks",
    "#": "in a comment",
    "<<": "in or after a here-document",
}
"""What it is called where the reading of a text stands."""


class ShellText:
    """Reads the text of a command piece by piece, and knows what the shell would make of a value that comes next.

    >>> text = ShellText()
    >>> text.read("echo 'it is ")
    >>> text.place
    'within quotes'
    """

    def __init__(self) -> None:
        self._within = ""
        self._before = " "
        """The character before, "" where that was escaped."""
        self._escapes = False
        self._has_document = False

    @property
    def place(self) -> str:
        """Why no value may come here; empty where one may."""
        if self._has_document:
            return PLACES["<<"]
        if self._escapes:
            return "after a backslash"
        return PLACES.get(self._within, "after a $" if self._before == "$" else "")

    def read(self, text: str) -> None:
        """Take in more of the text."""
        for i, character in enumerate(text):
            if self._escapes:
                self._escapes, self._before = False, ""
                continue
            if character == "\\" and self._within not in ("'", "#"):
                self._escapes = True
            elif self._within:
                self._leave(character)
            else:
                self._enter(character)
                self._has_document |= text[i : i + 2] == "<<" and text[i : i + 3] != "<<<" and self._before != "<"
            self._before = character

    def skip(self) -> None:
        """Take in a value, which is quoted."""
        self._before = "'"

    def _enter(self, character: str) -> None:
        if character == "'" and self._before == "$":
            self._within = "$'"
        elif character in "'\"`" or (character == "#" and (self._before.isspace() or self._before in ";&|()")):
            self._within = character

    def _leave(self, character: str) -> None:
        end = "\n" if self._within == "#" else self._within[-1]
        if character == end:
            self._within = ""
