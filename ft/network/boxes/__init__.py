"""What a detector decides about boxes, in NumPy and float64: once, for both wings, every tie by a stated order."""
