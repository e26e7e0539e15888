"""Fine-tune pretrained networks natively in PyTorch and in Keras, with proof that both do the same."""
