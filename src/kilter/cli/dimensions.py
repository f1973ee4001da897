"""Parameters as people write them: `log(1e-5, 1e-1)` in a shell, `{ log = [1e-5, 1e-1] }` in TOML."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from kilter.core import kinds
from kilter.core.errors import InvalidInput, UnknownName
from kilter.core.numbers import Float
from kilter.core.options import Boolean
from kilter.core.parameter import Parameter, Prior

KINDS: dict[str, type[Parameter]] = {
    **{word: kind for word, kind in kinds.KINDS.items() if word != "boolean"},
    "log": Float,
    "bool": Boolean,
}
"""The words for kinds of parameters."""
SETTINGS = {kind: {f.name for f in fields(made) if f.kw_only} - {"conditions"} for kind, made in KINDS.items()}
EXTRAS = {"when"}.union(*SETTINGS.values())
SETTING = re.compile(r"([A-Za-z_]\w*)\s*=")
"""How a setting begins, in short forms."""
EXAMPLES = "log(1e-5,1e-1), float(0,1), int(1,8), {adam,sgd}, ordinal(16,32,64), simplex(3), subset(a,b) or bool"


def scalar(word: str) -> Any:
    """What a bare word stands for: a JSON scalar where it reads as one, else text."""
    word = word.strip()
    if word in ("None", "none", "null"):
        return None
    if word in ("True", "False"):
        return word == "True"
    if len(word) > 1 and word[0] == word[-1] == "'":
        return word[1:-1]
    try:
        value = json.loads(word)
    except ValueError:
        try:
            return float(word) if re.fullmatch(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?", word) else word
        except ValueError:
            return word
    return value if not isinstance(value, (list, dict)) else word


PARTNERS = {")": "(", "]": "[", "}": "{"}


def words(inner: str, given: str) -> list[str]:
    """Cut at commas that stand outside quotes and brackets.

    >>> words("[64,32], (1,2), 'a,b'", "…")
    ['[64,32]', '(1,2)', "'a,b'"]
    """
    words, word, opened = [], "", ""
    for token in re.findall(r""""[^"]*"|'[^']*'|.""", inner, re.DOTALL):
        if token in ("'", '"') and not word.strip():
            raise InvalidInput(f"the quote {token} in {given!r} has no partner: close the option that it opens")
        if token in PARTNERS.values():
            opened += token
        elif token in PARTNERS:
            if not opened.endswith(PARTNERS[token]):
                raise _unpaired(token, given)
            opened = opened[:-1]
        if token == "," and not opened:
            words.append(word.strip())
            word = ""
        else:
            word += token
    if opened:
        raise _unpaired(opened[-1], given)
    return [word for word in (*words, word.strip()) if word]


def _unpaired(bracket: str, given: str) -> InvalidInput:
    return InvalidInput(f"the bracket {bracket!r} in {given!r} has no partner: put the option in quotes, {{'a(','b'}}")


def parse(given: str) -> tuple[str, dict[str, Any]]:
    """A parameter from NAME=KIND, as an entry of a TOML file.

    >>> parse("lr=log(1e-5, 1e-1)")
    ('lr', {'log': [1e-05, 0.1]})
    """
    name, equals, text = given.partition("=")
    if not equals or not name.strip() or not text.strip():
        raise InvalidInput(f"the parameter {given!r} must read NAME=KIND, with KIND such as {EXAMPLES}")
    return name.strip(), entry(text, given)


def entry(text: str, given: str) -> dict[str, Any]:
    """The TOML entry that a short form stands for."""
    body, _, condition = text.partition(" if ")
    body = body.strip()
    more = {"when": condition.strip()} if condition.strip() else {}
    if body == "bool":
        return {"bool": True, **more}
    if body.startswith("{") and body.endswith("}"):
        options = words(body[1:-1], given)
        for word in options:
            if (setting := SETTING.match(word)) and setting[1] in EXTRAS:
                raise InvalidInput(f"braces in {given!r} list options alone: for {word} write choice({body[1:-1]})")
            _check_is_no_setting(word, "choice", given)
        return {"choice": [scalar(word) for word in options], **more}
    found = re.fullmatch(r"(\w+)\((.*)\)", body)
    if not found:
        raise InvalidInput(f"the parameter {given!r} is not understood: write {EXAMPLES}")
    kind = found[1]
    if kind not in KINDS:
        raise UnknownName.of("kind of parameter", kind, KINDS, f"It stands in {given!r}.")
    values, extras = [], {}
    for word in words(found[2], given):
        setting = SETTING.match(word)
        if setting and setting[1] in EXTRAS:
            extras[setting[1]] = _listed(word[setting.end() :].strip(), given)
        elif word == "log" and kind in ("int", "float"):
            extras["log"] = True
        else:
            _check_is_no_setting(word, kind, given)
            values.append(scalar(word))
    return {kind: True if kind == "bool" else values, **extras, **more}


def _check_is_no_setting(word: str, kind: str, given: str) -> None:
    if setting := SETTING.match(word):
        hint = f"It stands in {given!r}; an option with = in it goes in quotes, '{word}'"
        raise UnknownName.of(f"setting of {kind}", setting[1], {"when", *SETTINGS[kind]}, hint)


def _listed(text: str, given: str) -> Any:
    """A scalar, or a list in round brackets."""
    if text.startswith("(") and text.endswith(")"):
        return [scalar(word) for word in words(text[1:-1], given)]
    return scalar(text)


def flattened(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """The entries of [space]; tables of tables are names with dots."""
    flat: dict[str, Any] = {}
    for name, given in table.items():
        path = f"{prefix}{name}"
        if (
            isinstance(given, Mapping)
            and given
            and not set(given) & {*KINDS, *EXTRAS}
            and all(isinstance(inner, (Mapping, str)) for inner in given.values())
        ):
            flat.update(flattened(given, f"{path}."))
        else:
            flat[path] = given
    return flat


def parameter(name: str, given: Any) -> Parameter:
    """The parameter that an entry of [space] describes."""
    if isinstance(given, str):
        given = entry(given, f"{name} = {given}")
    if isinstance(given, list):
        given = _options(name, given)
    if not isinstance(given, Mapping):
        raise InvalidInput(f"space.{name} = {given!r}: write a table such as {{ log = [1e-5, 1e-1] }}")
    for key in given:
        if key not in KINDS and key not in EXTRAS:
            raise UnknownName.of("setting", key, {*KINDS, *EXTRAS}, f"It stands in space.{name}.")
    known = [kind for kind in KINDS if kind in given and not (kind == "log" and isinstance(given[kind], bool))]
    if len(known) != 1:
        raise InvalidInput(f"space.{name} = {dict(given)!r}: it needs exactly one of {', '.join(KINDS)}")
    try:
        made = _made(known[0], given)
    except InvalidInput as error:
        raise InvalidInput(f"space.{name}: {error}") from None
    return made.when(conditions(name, given["when"])) if "when" in given else made


def _options(name: str, given: list[Any]) -> dict[str, Any]:
    """A list stands for the options of a choice; two numbers may be meant as bounds."""
    if len(given) == 2 and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in given):
        raise InvalidInput(
            f"space.{name} = {given!r} may be a range or two options: write {{ float = {given!r} }}, "
            f"{{ int = {given!r} }} or {{ choice = {given!r} }}"
        )
    return {"choice": given}


def _made(kind: str, given: Mapping[str, Any]) -> Parameter:
    values, settings = given[kind], {key: given[key] for key in given if key not in (kind, "when")}
    for key in settings:
        if key not in SETTINGS[kind]:
            raise InvalidInput(f"a {kind} has no {key}: leave it out")
    if "prior" in settings:
        prior = settings["prior"]
        settings["prior"] = Prior(*prior) if isinstance(prior, list) else Prior(prior)
    if kind == "bool":
        if values is not True:
            raise InvalidInput("write bool = true")
        values = []
    if kind == "log":
        settings["log"] = True
    return KINDS[kind].written(values if isinstance(values, list) else [values], **settings)


def conditions(name: str, given: Any) -> dict[str, Any]:
    """What `when` says, as {parent: value or values}.

    >>> conditions("C", "model == 'svm' and kernel in ['rbf', 'poly']")
    {'model': 'svm', 'kernel': ['rbf', 'poly']}
    """
    if isinstance(given, Mapping):
        return dict(given)
    wrong = InvalidInput(
        f"space.{name}: when = {given!r} must read like model == 'svm' or model in [...], joined by and"
    )
    try:
        tree = ast.parse(str(given).strip(), mode="eval").body
        return _clauses(tree)
    except (SyntaxError, ValueError):
        raise wrong from None


def _clauses(tree: ast.expr) -> dict[str, Any]:
    if isinstance(tree, ast.BoolOp) and isinstance(tree.op, ast.And):
        found: dict[str, Any] = {}
        for part in tree.values:
            for parent, value in _clauses(part).items():
                if parent in found:
                    raise ValueError(parent)
                found[parent] = value
        return found
    if isinstance(tree, ast.Compare) and len(tree.ops) == 1:
        if isinstance(tree.ops[0], ast.Eq):
            return {_dotted(tree.left): _literal(tree.comparators[0])}
        if isinstance(tree.ops[0], ast.In):
            right = tree.comparators[0]
            if isinstance(right, (ast.List, ast.Tuple, ast.Set)):
                return {_dotted(tree.left): [_literal(element) for element in right.elts]}
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.Not):
        return {_dotted(tree.operand): False}
    return {_dotted(tree): True}


def _dotted(tree: ast.expr) -> str:
    if isinstance(tree, ast.Name):
        return tree.id
    if isinstance(tree, ast.Attribute):
        return f"{_dotted(tree.value)}.{tree.attr}"
    raise ValueError(ast.dump(tree))


def _literal(tree: ast.expr) -> Any:
    if isinstance(tree, ast.Name):
        words = {"true": True, "false": False, "null": None}
        return words.get(tree.id, tree.id)  # model == svm, as one writes it in a shell
    return ast.literal_eval(tree)
