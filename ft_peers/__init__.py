"""What `ft bench` times this project beside: plain programs with a framework alone, as people write them.

None of them imports ft. Each prints one line of JSON at its end, see ft/bench/runs.py; step_torch.py and step_tf.py are
one hand-written training step. facade.py, which times that beside this project's, and gpu.py, all that is done on a
GPU, know both sides.
"""
