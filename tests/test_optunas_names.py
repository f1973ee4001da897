"""Every name that Optuna documents is here, or is refused with one line that says what does it here.

The names are those of Optuna 5.0's reference, and what older scripts still use. The page
docs/how-to/from-optuna.md lists the same names and says of each whether it is here.
"""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

import kilter
from kilter.core.errors import NotHere, NotHereImport

PAGE = Path(__file__).parents[1] / "docs/how-to/from-optuna.md"

NAMES = {
    "": """Study Trial TrialPruned __version__ artifacts copy_study create_study create_trial
        delete_study distributions exceptions get_all_study_names get_all_study_summaries
        importance integration load_study logging pruners samplers search_space storages
        study terminator trial version visualization""",
    "artifacts": """ArtifactMeta Backoff Boto3ArtifactStore FileSystemArtifactStore GCSArtifactStore
        download_artifact get_all_artifact_meta upload_artifact""",
    "distributions": """BaseDistribution CategoricalChoiceType CategoricalDistribution DISTRIBUTION_CLASSES
        DiscreteUniformDistribution FloatDistribution IntDistribution
        IntLogUniformDistribution IntUniformDistribution LogUniformDistribution
        UniformDistribution check_distribution_compatibility distribution_to_json
        json_to_distribution""",
    "exceptions": """CLIUsageError DuplicatedStudyError ExperimentalWarning OptunaError
        StorageInternalError TrialPruned UpdateFinishedTrialError""",
    "importance": """BaseImportanceEvaluator FanovaImportanceEvaluator
        MeanDecreaseImpurityImportanceEvaluator PedAnovaImportanceEvaluator
        get_param_importances""",
    "integration": """BoTorchSampler CatBoostPruningCallback DaskStorage FastAIPruningCallback
        FastAIV2PruningCallback KerasPruningCallback LightGBMPruningCallback LightGBMTuner
        LightGBMTunerCV MLflowCallback OptunaSearchCV PyCmaSampler
        PyTorchIgnitePruningHandler PyTorchLightningPruningCallback
        ShapleyImportanceEvaluator SkorchPruningCallback TFKerasPruningCallback
        TensorBoardCallback TensorFlowPruningHook TorchDistributedTrial
        WeightsAndBiasesCallback XGBoostPruningCallback""",
    "logging": """CRITICAL DEBUG ERROR FATAL INFO WARN WARNING disable_default_handler
        disable_propagation enable_default_handler enable_propagation get_logger
        get_verbosity set_verbosity""",
    "pruners": """BasePruner HyperbandPruner MedianPruner NopPruner PatientPruner PercentilePruner
        SuccessiveHalvingPruner ThresholdPruner WilcoxonPruner""",
    "samplers": """BaseGASampler BaseSampler BruteForceSampler CmaEsSampler GPSampler GridSampler
        NSGAIIISampler NSGAIISampler PartialFixedSampler QMCSampler RandomSampler TPESampler
        nsgaii""",
    "search_space": "IntersectionSearchSpace intersection_search_space",
    "storages": """BaseJournalLogStorage BaseStorage GrpcStorageProxy InMemoryStorage
        JournalFileOpenLock JournalFileStorage JournalFileSymlinkLock JournalRedisStorage
        JournalStorage RDBStorage RetryFailedTrialCallback RetryHeartbeatStaleTrialCallback
        fail_stale_trials run_grpc_proxy_server""",
    "storages.journal": """BaseJournalBackend JournalFileBackend JournalFileOpenLock JournalFileSymlinkLock
        JournalRedisBackend JournalStorage""",
    "study": """MaxTrialsCallback Study StudyDirection StudySummary copy_study create_study
        delete_study get_all_study_names get_all_study_summaries load_study""",
    "terminator": """BaseErrorEvaluator BaseImprovementEvaluator BaseTerminator
        BestValueStagnationEvaluator CrossValidationErrorEvaluator EMMREvaluator
        MedianErrorEvaluator RegretBoundEvaluator StaticErrorEvaluator Terminator
        TerminatorCallback report_cross_validation_scores""",
    "trial": "BaseTrial FixedTrial FrozenTrial Trial TrialState create_trial",
    "visualization": """is_available matplotlib plot_contour plot_edf plot_hypervolume_history
        plot_intermediate_values plot_optimization_history plot_parallel_coordinate
        plot_param_importances plot_pareto_front plot_rank plot_slice
        plot_terminator_improvement plot_timeline""",
    "visualization.matplotlib": """is_available plot_contour plot_edf plot_hypervolume_history plot_intermediate_values
        plot_optimization_history plot_parallel_coordinate plot_param_importances
        plot_pareto_front plot_rank plot_slice plot_terminator_improvement plot_timeline""",
}
MEMBERS = {
    "Study": """add_trial add_trials ask best_params best_trial best_trials best_value direction
        directions enqueue_trial get_trials metric_names optimize pruner sampler
        set_metric_names set_system_attr set_user_attr stop study_name system_attrs tell
        trials trials_dataframe user_attrs""",
    "Trial": """constraints datetime_start distributions number params report set_constraint
        set_system_attr set_user_attr should_prune suggest_categorical
        suggest_discrete_uniform suggest_float suggest_int suggest_loguniform
        suggest_uniform system_attrs user_attrs""",
    "FrozenTrial": """constraints datetime_complete datetime_start distributions duration
        intermediate_values last_step number params report set_constraint set_user_attr
        should_prune state suggest_categorical suggest_discrete_uniform suggest_float
        suggest_int suggest_loguniform suggest_uniform system_attrs user_attrs value values""",
    "FixedTrial": """constraints datetime_start distributions number params report set_constraint
        set_system_attr set_user_attr should_prune suggest_categorical
        suggest_discrete_uniform suggest_float suggest_int suggest_loguniform
        suggest_uniform system_attrs user_attrs""",
}
ALL = [(module, name) for module, names in NAMES.items() for name in names.split()]


@pytest.mark.parametrize(("module", "name"), ALL, ids=[f"{m}.{n}".lstrip(".") for m, n in ALL])
def test_a_name_is_here_or_is_refused_in_one_line(module, name):
    home = importlib.import_module(f"kilter.{module}".rstrip("."))
    try:
        assert getattr(home, name) is not None
    except NotHere as error:
        hint = str(error).partition(f"has no attribute {name!r}: ")[2]
        assert len(hint) > 20 and "\n" not in hint
        with pytest.raises(NotHereImport) as caught:
            exec(f"from {home.__name__} import {name}")
        assert hint in str(caught.value)


def members():
    study = kilter.create_study(seed=0)
    trial = study.ask()
    study.tell(study.ask(), 1.0)
    frozen = study.trials[1]
    return {"Study": study, "Trial": trial, "FrozenTrial": frozen, "FixedTrial": kilter.trial.FixedTrial({})}


@pytest.mark.parametrize("kind", MEMBERS)
def test_studies_and_trials_have_what_optunas_have(kind):
    assert set(MEMBERS[kind].split()) <= set(dir(members()[kind]))


def test_the_page_says_of_every_name_whether_it_is_here():
    told = {}
    module = None
    for line in PAGE.read_text(encoding="utf-8").splitlines():
        heading = re.match(r"## .*`optuna(\.[\w.]+)?`", line)
        if heading:
            module = (heading[1] or "").lstrip(".")
        elif line.startswith("| `") and module is not None:
            names, here = line.strip("|").split("|")[:2]
            told.update({(module, name): here.strip() for name in re.findall(r"`(\w+)`", names)})
    assert set(told) == {(module, name) for module, name in ALL if module != "visualization.matplotlib"}
    for (module, name), here in told.items():
        home = importlib.import_module(f"kilter.{module}".rstrip("."))
        assert here.startswith("no") is not hasattr(home, name), (module, name, here)


def test_a_refusal_is_the_last_line_that_a_script_shows(tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", "from kilter.storages import run_grpc_proxy_server"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert "SQLite" in done.stderr.splitlines()[-1]


@pytest.mark.parametrize("module", [module for module in NAMES if module])
def test_optuna_itself_has_these_names(module):
    """So that the table is of names that there are."""
    optuna = pytest.importorskip("optuna")
    home = optuna
    if module in ("integration", "visualization", "visualization.matplotlib"):
        return  # they load libraries that need not be there
    for part in module.split("."):
        importlib.import_module(f"optuna.{module}")
        home = getattr(home, part)
    public = set(getattr(home, "__all__", ()))
    assert {name for name in public if not name.startswith("_")} <= set(NAMES[module].split())
    assert [name for name in NAMES[module].split() if not hasattr(home, name)] == []
