"""Networks of keras.applications: the shapes that the PyTorch ports build from, and the cards.

`keras/resnet50` is another network than `resnet50`, which is torchvision's: biases, eps and strides differ. Keras is
the source here, so its semantics rule in both wings, and tensors bear the names of Keras's layers in PyTorch's layout:
`conv1_conv.weight`, `conv1_bn.running_var`. Layers that Keras numbers on the fly have a name of ours. The logits are
what Keras gives with `classifier_activation=None`, and like Keras's with `include_top` the networks are built for one
image size. Source: keras/src/applications.
"""

from ft.zoo.keras_applications import efficientnet_b0, mobilenet_v2, resnet50, vgg16, xception

CARDS = [mobilenet_v2.CARD, efficientnet_b0.CARD, xception.CARD, resnet50.CARD, vgg16.CARD]
