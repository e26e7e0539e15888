"""RoBERTa, a port of transformers/models/roberta/modeling_roberta.py: BERT's blocks, another head."""

import keras
from keras import KerasTensor

from ft_tf.layers import Dropout, Linear
from ft_tf.models.text.bert import Bert
from ft_tf.models.text.network import Base


class Roberta(Bert):
    """A RoBERTa; the reference's head is dropout, dense, tanh, dropout, dense on the first token."""

    name = "roberta"
    pads_positions = True

    def logits(self, base: Base, mask: KerasTensor) -> KerasTensor:
        if self.card.answer != "sequence" or self.card.pool is not None:
            return super().logits(base, mask)
        x = Dropout(self.card.rate, name="classifier.dropout")(self.features(base, mask))
        x = Linear(self.config.width, name="classifier.dense")(x)
        x = keras.layers.Activation("tanh", name="classifier.tanh")(x)
        x = Dropout(self.card.rate, name="classifier.dropout.1")(x)  # PyTorch's one layer, at its second call
        return Linear(self.num_classes, name="classifier.out_proj")(x)
