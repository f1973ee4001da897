"""Laws of a kind of parameter that is made of parts; needs `pip install hypothesis`.

    class TestInterval(CompoundSuite):
        compounds = st.builds(Interval, st.floats(0, 1), st.floats(2, 3))

The kind has to have its line in `kilter.core.kinds.KINDS` by then.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from typing import Any, ClassVar

import numpy as np

from kilter.core.compound import Compound
from kilter.core.errors import InvalidInput
from kilter.core.kinds import KINDS, parameter_from_json
from kilter.core.space import Space
from kilter.models.encoding import Encoding

try:
    from hypothesis import given, settings
    from hypothesis import strategies as st
except ImportError:
    raise ImportError("kilter.testing.compound draws with Hypothesis: pip install hypothesis") from None


@st.composite
def forms(draw: Callable[..., Any], compound: Compound) -> dict[str, Any]:
    """Any form of a compound, canonical or not, the ends of its parts among them."""
    return {name: part.from_unit(draw(st.floats(0, 1))) for name, part in compound.parts().items()}


class CompoundSuite:
    """Laws that any compound keeps; `compounds` draws those to look at."""

    compounds: ClassVar[st.SearchStrategy[Any]]
    examples: ClassVar[int] = 50
    """How many each law looks at."""

    def _holds(self, law: Callable[[Compound, dict[str, Any]], None]) -> None:
        """Check a law on compounds, with a form of each."""

        @settings(max_examples=self.examples)
        @given(st.data(), self.compounds)
        def checked(data: Any, compound: Compound) -> None:
            law(compound, data.draw(forms(compound)))

        checked()

    def test_forms_and_values(self) -> None:
        """All forms of a value have one canonical form, by which the value is taken apart."""

        def law(compound: Compound, form: dict[str, Any]) -> None:
            canonical = compound.canonical(form)
            assert compound.canonical(canonical) == canonical
            assert all(part.contains(canonical[name]) for name, part in compound.parts().items())
            assert compound.assemble(canonical) == compound.assemble(form)
            assert compound.dissolve(compound.assemble(form)) == canonical
            assert not compound.is_unique or canonical == form

        self._holds(law)

    def test_plain_values(self) -> None:
        """A value comes back from JSON, and is read alike in both forms."""

        def law(compound: Compound, form: dict[str, Any]) -> None:
            value = compound.assemble(form)
            plain = json.loads(json.dumps(compound.plain(value), allow_nan=False))
            assert compound.contains(plain) and compound.contains(value)
            assert compound.value(plain) == value
            assert compound.dissolve(plain) == compound.dissolve(value)

        self._holds(law)

    def test_json(self) -> None:
        """The kind is known by its word, and a parameter comes back from JSON."""

        def law(compound: Compound, _: dict[str, Any]) -> None:
            again = parameter_from_json(json.loads(json.dumps(compound.to_json(), allow_nan=False)))
            assert KINDS[compound.kind] is type(compound)
            assert again == compound
            assert compound.covers(again) and compound.merged(again) == compound

        self._holds(law)

    def test_forms_of_many(self) -> None:
        """What is done to many forms at once is what is done to each."""

        def law(compound: Compound, form: dict[str, Any]) -> None:
            rows = [form, compound.canonical(form)]
            units = np.array([[part.unit(row[name]) for name, part in compound.parts().items()] for row in rows])
            canonical = compound.canonical_units(units)
            np.testing.assert_array_equal(canonical[0], canonical[1])
            np.testing.assert_array_equal(canonical[1], units[1])

        self._holds(law)

    def test_grids(self) -> None:
        """A grid has each value once, in its canonical form, and all of them where they are few."""

        def law(compound: Compound, _: dict[str, Any]) -> None:
            try:
                listed = compound.forms(3)
            except InvalidInput:
                return
            assert len({repr(compound.assemble(form)) for form in listed}) == len(listed)
            assert all(compound.canonical(form) == form for form in listed)
            if math.isfinite(compound.size):
                assert len(compound.forms()) == compound.size

        self._holds(law)

    def test_in_a_space(self) -> None:
        """A space takes values apart and puts them together, and forms of one value are one point."""

        def law(compound: Compound, form: dict[str, Any]) -> None:
            space = Space({"it": compound})
            loose, value = compound.named("it", form), compound.assemble(form)
            config = space.plain({"it": value})
            assert space.canonical(loose) == config
            assert space.values(config) == space.values(loose) == {"it": value}
            assert space.plain(space.whole(config)) == config
            encoding = Encoding(space)
            np.testing.assert_array_equal(encoding.point(loose), encoding.point(config))
            assert encoding.config(encoding.point(config)) == config

        self._holds(law)
