"""What a file of an estimator may hold; a file with anything else is refused before it is built.

Found by saving every estimator that i2lc offers, with one class pair and with three classes, and
reviewed; a test saves them all again. Never made from what a file asks for.
"""

from __future__ import annotations

TYPES: dict[str, frozenset[str]] = {
    loader: frozenset(names.split())
    for loader, names in {
        "DictNode": "builtins.dict sklearn.utils._bunch.Bunch",
        "ListNode": "builtins.list",
        "TupleNode": "builtins.tuple",
        "JsonNode": "builtins.str",
        "TypeNode": "builtins.int builtins.str",
        "NdArrayNode": "numpy.ndarray numpy.float64 numpy.int64 numpy.uint64",
        "DTypeNode": "numpy.dtype",
        "RandomStateNode": "numpy.random.mtrand.RandomState",
        "RandomGeneratorNode": "numpy.random._generator.Generator",
        "TreeNode": "sklearn.tree._tree.Tree",
        "LossNode": """
            sklearn._loss._loss.CyExponentialLoss
            sklearn._loss._loss.CyHalfBinomialLoss
            sklearn._loss._loss.CyHalfMultinomialLoss""",
        "ObjectNode": """
            sklearn._loss.link.HalfLogitLink
            sklearn._loss.link.Interval
            sklearn._loss.link.LogitLink
            sklearn._loss.link.MultinomialLogit
            sklearn._loss.loss.ExponentialLoss
            sklearn._loss.loss.HalfBinomialLoss
            sklearn._loss.loss.HalfMultinomialLoss
            sklearn.calibration.CalibratedClassifierCV
            sklearn.calibration._CalibratedClassifier
            sklearn.calibration._SigmoidCalibration
            sklearn.dummy.DummyClassifier
            sklearn.ensemble._bagging.BaggingClassifier
            sklearn.ensemble._forest.ExtraTreesClassifier
            sklearn.ensemble._forest.RandomForestClassifier
            sklearn.ensemble._gb.GradientBoostingClassifier
            sklearn.ensemble._hist_gradient_boosting.binning._BinMapper
            sklearn.ensemble._hist_gradient_boosting.gradient_boosting.HistGradientBoostingClassifier
            sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor
            sklearn.ensemble._voting.VotingClassifier
            sklearn.ensemble._weight_boosting.AdaBoostClassifier
            sklearn.impute._base.SimpleImputer
            sklearn.pipeline.Pipeline
            sklearn.preprocessing._data.StandardScaler
            sklearn.preprocessing._label.LabelEncoder
            sklearn.svm._classes.SVC
            sklearn.tree._classes.DecisionTreeClassifier
            sklearn.tree._classes.DecisionTreeRegressor
            sklearn.tree._classes.ExtraTreeClassifier""",
    }.items()
}
"""Kind of node in skops' schema -> full names of the types that it may stand for."""

TRUSTED: tuple[str, ...] = tuple(sorted(name for names in TYPES.values() for name in names))
"""All of them, for skops' own check."""
