"""The environments, and the one door to an evaluator that stands behind them."""
