"""Estimators of scikit-learn in place of a network: settings, training, files."""
