"""What `ft bench` times this project beside: plain programs with a framework alone, as people write them.

Nothing here imports ft. Each prints one line of JSON at its end, see ft/bench/runs.py; step_torch.py and step_tf.py are
one hand-written training step, for `python -m ft.bench.facade`.
"""
