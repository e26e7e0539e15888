"""`ft bench`: this project beside what people write by hand, in one run on one machine.

Every run is a process of its own (ft/bench/process.py). What is timed (ft/bench/runs.py) are the programs of
`ft_peers`, each with a framework alone, and `ft train`. The ratios are in ft/bench/table.py.
"""
