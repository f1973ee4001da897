"""What trial.save keeps and trial.load finds: one file in the trial's directory, replaced as a whole, never a pickle.

The file is a NumPy archive (`numpy.load` reads it too) with the arrays and, in a member of its own, the structure
around them as JSON:

    state.json    {"format": 1, "state": …}
    0.npy, …      arrays and bytes, in the order in which the structure names them

A JSON object in there has one entry, which says what it stands for:

    {"dict": [[key, value], …]}   {"tuple": […]}   {"array": member}   {"bytes": member}   {"int": "0x…"}
    {"scalar": [dtype, hex]}   {"str_": text}   {"bytes_": hex}   these three are NumPy's scalars
    {"ordered": [dict, metadata]}   {"counter": dict}   {"tensor": [dtype, array]}   for the state_dicts of PyTorch

Every member of the archive carries a CRC-32, and its table of contents stands at its end: damage and truncation show.
"""

from __future__ import annotations

import ast
import json
import os
import secrets
import sys
import warnings
import zipfile
from collections import Counter, OrderedDict
from collections.abc import Callable
from importlib import import_module
from typing import Any, BinaryIO

import numpy as np

from kilter.core.archive import MAX_HEADER, Archive, plain_dtype
from kilter.core.errors import InvalidInput, MissingLibrary
from kilter.core.text import one_line

FILE = "state.kilter"
"""The name of the file; all others in the directory are the user's."""

UNFINISHED = f"{FILE}.*.tmp"
"""The pattern of what a process leaves that is killed while it saves."""

FORMAT = 1
"""The version of the format."""

MAX_DEPTH = 100
"""Containers within containers: more is a structure that holds itself, or one that JSON readers would refuse."""

PLAIN_BITS = 64
"""Longer integers are written in base 16, since Python refuses to read thousands of decimal digits."""

VERSION = (3, 0)
"""The version of the .npy format, which all of NumPy from 1.17 on read and which knows any field's name."""


def save(directory: str, state: Any) -> None:
    """Write the state to the directory, which must exist; until it is written whole, the earlier one stays.

    The state may hold dicts (with keys of any of these types), lists, tuples, str, bytes, bool, None, int, float, and
    NumPy scalars and arrays of every dtype but object. All come back with value and type, arrays also with shape and
    order. So do state_dicts of PyTorch: a tensor is kept with the elements that it shows, whatever storage it is a view
    of, and comes back on the CPU; as an array where PyTorch is not installed. Raises InvalidInput that names
    the place of anything else, and OSError where the file cannot be written.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as directory:
    ...     save(directory, {"epoch": 3, "momentum": np.zeros(2), 7: ("tuple", float("inf"))})
    ...     load(directory)
    {'epoch': 3, 'momentum': array([0., 0.]), 7: ('tuple', inf)}
    """
    arrays: list[np.ndarray] = []
    structure = {"format": FORMAT, "state": _marked(state, "state", 0, arrays)}
    text = json.dumps(structure, ensure_ascii=False, separators=(",", ":"))
    path = os.path.join(directory, FILE)
    unfinished = f"{path}.{secrets.token_hex(4)}.tmp"
    try:
        with open(unfinished, "xb") as file:
            _write(file, text, arrays)
        os.replace(unfinished, path)
    except BaseException:
        try:
            os.remove(unfinished)
        except OSError:  # it was never made, or its disk is gone: the first error says more
            pass
        raise


def load(directory: str) -> Any:
    """The state that `save` wrote last to the directory; None where there is none.

    A file that is damaged or cannot be read is a warning and None: a trial had better start over than stop.
    """
    path = os.path.join(directory, FILE)
    try:
        with open(path, "rb") as file:
            return _read(file)
    except FileNotFoundError:
        return None
    except Exception as error:  # damaged bytes may break zipfile, json and NumPy in any way
        why = one_line(f"{type(error).__name__}: {error}")
        warnings.warn(
            f"the checkpoint {path} cannot be read ({why}): the trial starts from the beginning", stacklevel=3
        )
        return None


def _write(file: BinaryIO, text: str, arrays: list[np.ndarray]) -> None:
    with zipfile.ZipFile(file, "w") as archive:
        # Two lone surrogates side by side would become one character in escaped JSON; as bytes they stay two.
        archive.writestr(zipfile.ZipInfo("state.json"), text.encode("utf-8", "surrogatepass"))
        for i, array in enumerate(arrays):
            with archive.open(zipfile.ZipInfo(_member(i)), "w", force_zip64=True) as member:
                np.lib.format.write_array(member, array, VERSION, allow_pickle=False)


def _read(file: BinaryIO) -> Any:
    with Archive(file) as archive:
        unmark: dict[str, Callable[[Any], Any]] = {
            **_UNMARK,
            "array": lambda i: archive.array(_member(i)),
            "bytes": lambda i: archive.array(_member(i)).tobytes(),
        }

        def unmarked(mark: dict[str, Any]) -> Any:
            if "format" in mark:
                return mark
            [(kind, content)] = mark.items()
            return unmark[kind](content)

        text = archive.take("state.json").decode("utf-8", "surrogatepass")
        structure = json.loads(text, object_hook=unmarked)  # from the inside out, so the content is unmarked already
    if structure["format"] != FORMAT:
        raise ValueError(f"it has the format {structure['format']} of another version of kilter")
    return structure["state"]


def _member(i: int) -> str:
    return f"{i}.npy"


def _marked(value: Any, place: str, depth: int, arrays: list[np.ndarray]) -> Any:
    """The value as JSON with marks; its arrays go to `arrays`. Types are exact: a subclass would come back as less."""
    kind = type(value)
    if value is None or kind in (bool, str, float):
        return value
    if kind is int:
        return value if value.bit_length() <= PLAIN_BITS else {"int": hex(value)}
    if kind in (dict, list, tuple):
        return _marked_container(value, place, depth + 1, arrays)
    if kind is np.str_:
        return {"str_": str.__str__(value)}  # its own __str__ loses zeros at its end
    if kind is np.bytes_:
        return {"bytes_": bytes(value).hex()}
    if kind is bytes:
        arrays.append(np.frombuffer(value, np.uint8))
        return {"bytes": len(arrays) - 1}
    if kind is np.ndarray:
        _descr(value.dtype, place)
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if kind is OrderedDict:
        metadata = _marked(getattr(value, "_metadata", None), f"{place}._metadata", depth + 1, arrays)
        return {"ordered": [_marked(dict(value), place, depth, arrays), metadata]}
    if kind is Counter:
        return {"counter": _marked(dict(value), place, depth, arrays)}
    if isinstance(value, _tensors()):
        dtype, array = _torch().array_of(value, place)
        arrays.append(array)
        return {"tensor": [dtype, {"array": len(arrays) - 1}]}
    if isinstance(value, np.generic):
        return {"scalar": [repr(_descr(value.dtype, place)), value.tobytes().hex()]}
    raise _unfit(place, f"a {kind.__module__}.{kind.__qualname__}".replace("builtins.", ""))


def _tensors() -> Any:
    """PyTorch's tensors, where it is loaded: nobody has one who has not loaded it."""
    return getattr(sys.modules.get("torch"), "Tensor", ())


def _torch() -> Any:
    """What makes arrays of tensors and back. It lies in a layer above, as all that imports a library: hence by name."""
    return import_module("kilter.integrations.torch")


def _marked_container(value: Any, place: str, depth: int, arrays: list[np.ndarray]) -> Any:
    if depth > MAX_DEPTH:
        raise InvalidInput(
            f"{place:.80}… of a checkpoint holds itself, or more than {MAX_DEPTH} containers within one another: "
            "save a flatter structure"
        )
    if isinstance(value, dict):
        pairs = []
        for key, item in value.items():
            name = _marked(key, f"the key {key!r} of {place}", depth, arrays)
            pairs.append([name, _marked(item, f"{place}[{key!r}]", depth, arrays)])
        return {"dict": pairs}
    items = [_marked(item, f"{place}[{i}]", depth, arrays) for i, item in enumerate(value)]
    return items if isinstance(value, list) else {"tuple": items}


def _descr(dtype: np.dtype[Any], place: str) -> Any:
    """The dtype as a literal of Python; raises InvalidInput where that says less than the dtype."""
    if not dtype.hasobject:
        try:
            descr = np.lib.format.dtype_to_descr(dtype)
            if np.lib.format.descr_to_dtype(descr) == dtype:
                return descr
        except ValueError:  # fields that overlap
            pass
    raise _unfit(place, f"of NumPy's dtype {dtype}")


def _unfit(place: str, what: str) -> InvalidInput:
    return InvalidInput(
        f"{place} is {what}, which a checkpoint cannot hold: save numbers, text, bytes, lists, tuples, dicts, "
        "numeric NumPy arrays and tensors, or write a file of your own into trial.checkpoint_dir, for instance with "
        "torch.save or joblib.dump"
    )


def _scalar(content: list[str]) -> Any:
    descr, bits = content
    dtype = plain_dtype(ast.literal_eval(descr[:MAX_HEADER]))
    return np.ndarray((), dtype, buffer=bytes.fromhex(bits)).copy()[()]


def _listed(content: Any) -> list[Any]:
    """A list of JSON; anything else that can be walked through, such as an array, would grow in the walk."""
    if type(content) is not list:
        raise TypeError(f"a {type(content).__name__} in the place of a list")
    return content


def _ordered(content: list[Any]) -> OrderedDict[Any, Any]:
    made: OrderedDict[Any, Any] = OrderedDict(content[0])
    if content[1] is not None:
        made._metadata = content[1]  # type: ignore[attr-defined]  # versions of modules, for load_state_dict
    return made


def _tensor(content: list[Any]) -> Any:
    dtype, array = content
    try:
        return _torch().tensor_of(dtype, array)
    except MissingLibrary:
        if array.dtype.name != dtype:  # one that NumPy lacks, such as bfloat16
            raise
        return array


_UNMARK: dict[str, Callable[[Any], Any]] = {
    "dict": lambda pairs: dict(map(_listed, _listed(pairs))),
    "tuple": lambda items: tuple(_listed(items)),
    "int": lambda text: int(text, 16),
    "scalar": _scalar,
    "ordered": _ordered,
    "counter": Counter,
    "tensor": _tensor,
    "str_": np.str_,
    "bytes_": lambda text: np.bytes_(bytes.fromhex(text)),
}
