"""A machine's state as numbers, in Prometheus' text format, for node_exporter's textfile collector.

Reads what other parts know; changes and judges nothing.
"""
