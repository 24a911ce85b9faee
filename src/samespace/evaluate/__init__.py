"""Evaluation on one's own data: judgements, metrics, intervals, tests, test sets, comparisons."""
