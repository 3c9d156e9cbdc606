"""Benchmarks: the tap and its peers side by side, as whole processes, on the sandbox.

`pip install -e '.[sandbox]' --group benchmark`, and then `python -m tests.benchmarks`.
"""
