"""Digests of code: of its source without what does not matter or, where there is none, of its bytecode."""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import os
import re
import sys
import sysconfig
import threading
import types
from hashlib import blake2b
from typing import Any

SOURCE, BYTECODE = "source", f"python{sys.version_info[0]}.{sys.version_info[1]}"
"""How code was read, before the colon of its digest: what was read in two ways is not compared."""


_INSTALLED = tuple(
    os.path.realpath(path) + os.sep
    for path in {*map(sysconfig.get_paths().get, ("stdlib", "platstdlib", "purelib", "platlib")), sys.prefix}
    if path
)
_OURS = os.path.realpath(os.path.dirname(os.path.dirname(__file__))) + os.sep
_parsing = threading.RLock()


def is_installed(path: str) -> bool:
    """Whether a file belongs to Python or to a library."""
    return os.path.realpath(path).startswith(_INSTALLED)


def is_own(path: str | None) -> bool:
    """Whether a file is the user's: neither installed nor ours."""
    return (
        path is not None
        and not path.startswith("<frozen")
        and not os.path.realpath(path).startswith((*_INSTALLED, _OURS))
    )


def is_ours(code: types.CodeType) -> bool:
    """Whether a piece of code is Kilter's."""
    return os.path.realpath(code.co_filename).startswith(_OURS)


def file_of(thing: Any) -> str | None:
    """The file that a function or a class is written in; None where there is none."""
    if isinstance(thing, types.FunctionType):
        return thing.__code__.co_filename
    if not isinstance(thing, type):
        return None
    # What a library has wrapped, as scikit-learn does transform, is the user's all the same.
    functions = [inspect.unwrap(member) for member in vars(thing).values() if isinstance(member, types.FunctionType)]
    made = [each.__code__.co_filename for each in functions if isinstance(each, types.FunctionType)]
    written = [path for path in made if path != "<string>"]  # where a dataclass's own methods come from
    return written[0] if written else getattr(sys.modules.get(thing.__module__), "__file__", None)


def digest(text: str | bytes) -> str:
    """Sixteen characters that stand for a text."""
    return blake2b(text.encode(errors="replace") if isinstance(text, str) else text, digest_size=8).hexdigest()


def code_digest(function: types.FunctionType) -> str:
    """The digest of a function's source where that is known, else of its bytecode."""
    return _digest_of(function.__code__, function.__code__.co_filename)


@functools.lru_cache(maxsize=1024)
def _digest_of(code: types.CodeType, filename: str) -> str:
    """The digest of a piece of code as its file was when it was first asked for: what is edited later does not run."""
    linecache.checkcache(filename)  # for what was loaded again
    node = _node_of(code)
    if node is not None:
        return f"{SOURCE}:{digest(_normal(node))}"
    return f"{BYTECODE}:{digest(_bytecode(code))}"


def _parsed(source: str | bytes) -> ast.Module:
    """The syntax tree; by one thread at a time, since Python 3.11 mixes up how deep each of several has gone."""
    with _parsing:
        return ast.parse(source)


def file_digest(path: str) -> str:
    """The digest of a program: of one in Python its code, of any other its bytes."""
    with open(path, "rb") as file:
        data = file.read()
    if path.endswith(".py"):
        try:
            return f"{SOURCE}:{digest(_normal(_parsed(data)))}"
        except (SyntaxError, ValueError, RecursionError):
            pass
    return f"bytes:{digest(data)}"


_Function = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)


@functools.lru_cache(maxsize=8)
def _tree(lines: tuple[str, ...]) -> list[ast.AST]:
    """The functions of a file."""
    try:
        return [node for node in ast.walk(_parsed("".join(lines))) if isinstance(node, _Function)]
    except (SyntaxError, ValueError, RecursionError):
        return []


def _node_of(code: types.CodeType) -> ast.AST | None:
    """The function of a file's source that this is the code of."""
    lines = linecache.getlines(code.co_filename)
    found = [node for node in _tree(tuple(lines)) if _begins(node) == code.co_firstlineno and _is_like(node, code)]
    if len(found) > 1 and hasattr(code, "co_positions"):  # several in one line: Python 3.11 and later know the column
        columns = {(line, column) for line, _, column, _ in code.co_positions() if line and column is not None}
        found = [node for node in found if (node.body.lineno, node.body.col_offset) in columns]  # type: ignore[attr-defined]
        found = found[-1:]  # the innermost, for ast.walk goes from the outside in
    return found[0] if len(found) == 1 else None


def _begins(node: Any) -> int:
    return int(min([node.lineno, *(decorator.lineno for decorator in getattr(node, "decorator_list", ()))]))


def _is_like(node: Any, code: types.CodeType) -> bool:
    arguments = [argument.arg for argument in (*node.args.posonlyargs, *node.args.args)]
    return getattr(node, "name", "<lambda>") == code.co_name and arguments == list(code.co_varnames[: code.co_argcount])


class _Bare(ast.NodeTransformer):
    """Takes away docstrings and annotations, and the defaults, which count by their values."""

    def visit_arguments(self, node: ast.arguments) -> ast.arguments:
        node.defaults = [ast.Constant(None) for _ in node.defaults]
        node.kw_defaults = [None if default is None else ast.Constant(None) for default in node.kw_defaults]
        for argument in (*node.posonlyargs, *node.args, *node.kwonlyargs, node.vararg, node.kwarg):
            if argument is not None:
                argument.annotation = None
        return node

    def generic_visit(self, node: ast.AST) -> ast.AST:
        body = getattr(node, "body", None)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Module)) and body:
            first = body[0]
            if (
                isinstance(first, ast.Expr)
                and isinstance(first.value, ast.Constant)
                and isinstance(first.value.value, str)
            ):
                node.body = body[1:] or [ast.Pass()]
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            node.returns = None
        return super().generic_visit(node)


def _normal(node: ast.AST) -> str:
    """The text of a piece of code without what does not matter; a function's own name does not."""
    bare = _Bare().visit(_parsed(ast.unparse(node)) if not isinstance(node, ast.Module) else node)
    first = bare.body[0] if bare.body else None
    if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)) and first is not None:
        first.name = "_"
    return re.sub(r"[ \t]+$", "", ast.unparse(ast.fix_missing_locations(bare)), flags=re.MULTILINE)


def _bytecode(code: types.CodeType) -> bytes:
    has_docstring = code.co_name != "<lambda>" and code.co_consts and isinstance(code.co_consts[0], str)
    constants = code.co_consts[1:] if has_docstring else code.co_consts
    inner = [_bytecode(c) if isinstance(c, types.CodeType) else repr(c).encode() for c in constants]
    names = " ".join((*code.co_names, *code.co_varnames, *code.co_freevars)).encode()
    return b"\n".join([code.co_code, names, *inner])
