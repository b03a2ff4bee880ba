"""From a recipe to a finished run: what train, check, tokenize and the estimators share."""
