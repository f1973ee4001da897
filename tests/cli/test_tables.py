"""Tables in files: whatever separates their cells, and what is said of files that are none."""

import gzip

import pandas as pd
import pytest

from kilter.cli import tables
from kilter.core.errors import InvalidInput, UnknownName

FRAME = pd.DataFrame({"id": [1, 2, 3], "note": ["a; b, c", 'say "x"\nand y', "|"], "price": [1.5, None, 3.0]})


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@pytest.mark.parametrize("packed", [False, True])
def test_cells_may_be_separated_by_any_of_four(separator, packed, tmp_path):
    text = FRAME.to_csv(index=False, sep=separator)
    path = tmp_path / ("t.csv.gz" if packed else "t.csv")
    path.write_bytes(gzip.compress(text.encode("utf-8-sig")) if packed else text.encode("utf-8-sig"))
    pd.testing.assert_frame_equal(tables.read(str(path)), FRAME, check_dtype=False)


@pytest.mark.parametrize("name", ["t.csv", "t.parquet", "t.csv.gz"])
def test_what_is_written_is_read_again(name, tmp_path):
    tables.write(FRAME, str(tmp_path / name))
    pd.testing.assert_frame_equal(tables.read(str(tmp_path / name)), FRAME, check_dtype=False)


def test_one_column_is_a_table_too(tmp_path):
    (tmp_path / "t.csv").write_text("price\n1\n2\n")
    assert tables.read(str(tmp_path / "t.csv"))["price"].tolist() == [1, 2]


def test_standard_input_is_no_table():
    with pytest.raises(InvalidInput, match="not from standard input"):
        tables.read("-")


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("absent.csv", None, "cannot read .*absent.csv"),
        ("empty.csv", b"", "is no table"),
        ("broken.parquet", b"PAR1 no", "is no table"),
        ("ragged.csv", b"a,b\n1,2\n1,2,3,4\n", "is no table.*line 3"),
        ("binary.csv", b"\xff\xfe\x00\x81,\n", "is no table"),
    ],
)
def test_what_is_no_table_is_named(name, content, said, tmp_path):
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InvalidInput, match=said):
        tables.read(str(tmp_path / name))


def test_a_column_that_is_not_there_is_named_with_the_nearest():
    with pytest.raises(UnknownName, match="did you mean 'price'"):
        tables.taken(FRAME, "prize")


def test_a_file_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(InvalidInput, match="cannot write"):
        tables.write(FRAME, str(tmp_path / "no" / "t.csv"))
