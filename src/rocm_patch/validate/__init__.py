"""Validation: run the GPU training suite of tests/gpu with the torch at hand and report on it.

model.py holds the records, workers.py the processes that run tests, runner.py the run,
explain.py the hook for known problems, history.py the benchmark's verdict, and report.py,
junit.py, charts.py and page.py the report. Nothing here imports torch: the suite runs in
processes of its own, under the Python that has it.
"""
