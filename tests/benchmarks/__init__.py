"""How fast the queue is, beside what else one could take: `make bench`, or `python -m tests.benchmarks --help`.

Every figure is measured in processes of its own that are up and idle before the clock starts, and each round measures everything
once, so that a ratio compares what was measured side by side. A measurement in which a mail gets lost, is sent twice or is not
recorded as sent is an error, not a figure.
"""
