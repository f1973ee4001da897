"""The front door: `tune` for three lines, `create_study` and `Study` in the words of Optuna; wires the parts."""

from kilter.api.arguments import DEFAULT_STORAGE, SpaceLike, as_space
from kilter.api.checking import CheckedFile, CheckedLog, check_file, check_study
from kilter.api.portfolios import portfolio
from kilter.api.studies import create_study, delete_study, get_all_study_names, load_study, open_study, read_study
from kilter.api.study import Study
from kilter.api.tuning import tune
from kilter.api.view import StudyView

__all__ = [
    "DEFAULT_STORAGE",
    "CheckedFile",
    "CheckedLog",
    "SpaceLike",
    "Study",
    "StudyView",
    "as_space",
    "check_file",
    "check_study",
    "create_study",
    "delete_study",
    "get_all_study_names",
    "load_study",
    "open_study",
    "portfolio",
    "read_study",
    "tune",
]
