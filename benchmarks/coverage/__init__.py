"""The networks, tasks and training that ``bench_coverage.py`` judges conversion on."""
