"""The programs that `ft bench` times beside this project: plain scripts with a framework alone, as people write them.

Nothing here imports ft. Each prints one line of JSON at its end, see ft/bench/runs.py.
"""
