"""Measures the daemon against named rivals, in one run on one machine; `bash scripts/bench.sh --help`.

Servers are pinned to one core and the load to another, where there are two. Ours and the rival take turns, so that
whatever else the machine does meets both; a ratio is taken pair by pair, and what is told is the median of the pairs
and their range. Nothing leaves loopback.
"""
