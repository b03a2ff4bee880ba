"""How good a model is: metrics, baselines, confidence intervals and the report page."""
