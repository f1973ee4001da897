"""What a URL of a storage may say, and what is not made by looking."""

import os

import pytest

import kilter
from kilter import Float, create_study, delete_study, load_study
from kilter.api import check_study
from kilter.core.errors import InvalidInput, StorageError, StudyNotFound
from kilter.storage.sqlite import SQLiteStorage

SPACE = {"x": Float(0, 1)}


@pytest.fixture(autouse=True)
def _folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("storage", ["sqlite:///none.db", "none.db"])
def test_looking_makes_no_file(storage):
    for look in (
        lambda: load_study(study_name="q", storage=storage),
        lambda: load_study(storage=storage),
        lambda: delete_study(study_name="q", storage=storage),
        lambda: check_study(study_name="q", storage=storage),
    ):
        with pytest.raises(StudyNotFound, match=r"there is no file none\.db"):
            look()
    assert kilter.get_all_study_names(storage) == []
    assert os.listdir() == []


@pytest.mark.parametrize("storage", ["sqlite:///q?timeout=5", "sqlite:///q.db?check_same_thread=false&timeout=5"])
def test_options_of_a_url_are_no_part_of_a_name(storage):
    with pytest.raises(InvalidInput, match=r"options after the '\?'.*write 'sqlite:///q(\.db)?'"):
        create_study(storage=storage, space=SPACE)
    assert os.listdir() == []


def test_a_file_with_a_question_mark_opens():
    SQLiteStorage("q?timeout=5").close()
    create_study(study_name="a", storage="sqlite:///q?timeout=5", space=SPACE)
    assert load_study(study_name="a", storage="sqlite:///q?timeout=5").study_name == "a"


@pytest.mark.parametrize(
    "storage",
    [
        "host=db password=s3cret user=kilter",
        "host=db password=a://s3cret",
        "kilter:s3cret@db/test",
        "kilter@corp:s3cret@db/test",
        "postgresql:/kilter:s3cret@db/x",
        "postgresql//kilter:s3cret@h/x",
    ],
)
def test_what_may_be_an_address_with_a_password_is_not_quoted_with_it(storage):
    with pytest.raises(InvalidInput, match=r"write 'postgresql://user:password@host") as raised:
        load_study(study_name="a", storage=storage)
    assert "s3cret" not in str(raised.value) and "***" in str(raised.value)


@pytest.mark.parametrize("storage", ["sqlite://ada:s3cret@db", "sqlite:///a.db?key=s3cret", "memory://ada:s3cret@db"])
def test_a_password_where_none_belongs_is_masked(storage):
    with pytest.raises(InvalidInput, match=r"\*\*\*") as raised:
        create_study(storage=storage, space=SPACE)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize("path", ["a\0.db", "a\ud800.db"])
def test_a_path_that_cannot_be(path):
    with pytest.raises(StorageError, match="cannot be a file"):
        create_study(storage=f"sqlite:///{path}", space=SPACE)


@pytest.mark.parametrize("storage", [None, "sqlite:///a.db"])
@pytest.mark.parametrize("name", ["\ud800", "a\0b", "", "x" * 1_001, 3, b"x"])
def test_a_name_that_cannot_be_stored(name, storage):
    with pytest.raises(InvalidInput, match="study_name="):
        create_study(study_name=name, storage=storage, space=SPACE)
