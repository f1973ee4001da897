"""How results err, where Optuna's examples import it from."""

from kilter.terminator import CrossValidationErrorEvaluator, StaticErrorEvaluator, report_cross_validation_scores

__all__ = ["CrossValidationErrorEvaluator", "StaticErrorEvaluator", "report_cross_validation_scores"]
