"""Features by functions of the user's own: `external_features`."""
