"""Fine-tune Faster R-CNN on a pretrained MobileNetV2 on boxes: the textbook loop in plain PyTorch and torchvision."""

import argparse
import json
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from faster_coco_eval import COCO, COCOeval_faster
from PIL import Image
from torchvision.models import mobilenet_v2
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.backbone_utils import BackboneWithFPN
from torchvision.models.detection.faster_rcnn import FasterRCNN, FastRCNNPredictor, TwoMLPHead
from torchvision.ops import FrozenBatchNorm2d, MultiScaleRoIAlign

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"
FLAGS = argparse.ArgumentParser(description=__doc__)
FLAGS.add_argument(
    "data", help="folder with {train,val}/* and annotations/instances_{train,val}.json, as COCO has them"
)
FLAGS.add_argument("--weights", required=True, help="torchvision's MobileNetV2, .pth")
for key, n in {"epochs": 6, "batch-size": 4, "lr": 0.01, "momentum": 0.9, "image-size": 160}.items():
    FLAGS.add_argument(f"--{key}", type=type(n), default=n, help=f"[{n}], a multiple of 32" if n == 160 else f"[{n}]")


def load_data(args, split):
    """Return the batches of the pictures in DATA/split with their boxes, and the annotations."""
    annotations = json.loads(Path(args.data, "annotations", f"instances_{split}.json").read_text())
    numbers = {row["id"]: i for i, row in enumerate(sorted(annotations["categories"], key=lambda row: row["id"]), 1)}
    boxes = defaultdict(list)
    for row in annotations["annotations"]:
        boxes[row["image_id"]] += [] if row.get("iscrowd") else [(*row["bbox"], numbers[row["category_id"]])]
    images = sorted(annotations["images"], key=lambda image: image["file_name"])
    pairs = [
        read(Path(args.data, split, image["file_name"]), boxes[image["id"]], image["id"], args) for image in images
    ]
    batches = torch.utils.data.DataLoader(pairs, args.batch_size, shuffle=split == "train", collate_fn=list)
    return batches, annotations


def read(path, boxes, number, args):
    """Return a picture (3, H, W) from 0 to 1, as large as just fits into the square, and what is on it."""
    picture = Image.open(path).convert("RGB")
    sides = [round(side * args.image_size / max(picture.size)) for side in picture.size]
    square = Image.new("RGB", 2 * [args.image_size], (124, 116, 104))  # the mean colour
    square.paste(picture.resize(sides, Image.Resampling.BILINEAR))
    scale = torch.tensor([new / old for new, old in zip(sides, picture.size, strict=True)]).repeat(2)
    rows = torch.tensor(boxes, dtype=scale.dtype).reshape(-1, 5)  # x, y, width, height, class
    corners = torch.cat([rows[:, :2], rows[:, :2] + rows[:, 2:4]], 1) * scale
    pixels = torch.from_numpy(np.array(square)).permute(2, 0, 1).to(scale.dtype) / 255
    return pixels, {"boxes": corners, "labels": rows[:, 4].long(), "image_id": number, "scale": scale}


def build(args, num_classes):
    """Return the network behind a pretrained body whose BatchNorms stand still, and the optimizer of all of it."""
    body = mobilenet_v2(norm_layer=FrozenBatchNorm2d)
    body.load_state_dict(
        {k: x for k, x in torch.load(args.weights, weights_only=True).items() if "num_batches" not in k}
    )
    maps = BackboneWithFPN(body.features, {"6": "0", "13": "1", "18": "2"}, [32, 96, 1280], 128)
    model = FasterRCNN(
        maps, min_size=args.image_size, max_size=args.image_size,  # pictures are of that size: no resizing
        rpn_anchor_generator=AnchorGenerator(((32,), (64,), (128,), (256,)), ((0.5, 1.0, 2.0),) * 4),
        rpn_pre_nms_top_n_train=1000, rpn_pre_nms_top_n_test=600,
        rpn_post_nms_top_n_train=1000, rpn_post_nms_top_n_test=300,
        box_roi_pool=MultiScaleRoIAlign(["0", "1", "2"], 7, 2), box_batch_size_per_image=128,
        box_head=TwoMLPHead(128 * 49, 512), box_predictor=FastRCNNPredictor(512, num_classes + 1),  # and background
    ).to(DEVICE)  # fmt: skip
    return model, torch.optim.SGD(model.parameters(), lr=args.lr, momentum=args.momentum)


def train_step(model, optimizer, batch):
    """Do one update and return the loss before it: the sum of the four that torchvision gives."""
    model.train()
    targets = [{name: target[name].to(DEVICE) for name in ("boxes", "labels")} for _, target in batch]
    loss = sum(model([picture.to(DEVICE) for picture, _ in batch], targets).values())
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.detach()


@torch.no_grad()
def evaluate(model, batches, annotations):
    """Return COCO's AP, of boxes in the pictures' own pixels."""
    model.eval()
    ids, found = sorted(row["id"] for row in annotations["categories"]), []
    for batch in batches:
        for (_, target), said in zip(batch, model([picture.to(DEVICE) for picture, _ in batch]), strict=True):
            corners = said["boxes"].cpu() / target["scale"]
            boxes = torch.cat([corners[:, :2], corners[:, 2:] - corners[:, :2]], 1).tolist()
            rows = zip(boxes, said["labels"].tolist(), said["scores"].tolist(), strict=True)
            for box, label, score in rows:
                row = {"image_id": target["image_id"], "category_id": ids[label - 1], "bbox": box, "score": score}
                found.append(row)
    truth = COCO(annotations)
    result = COCOeval_faster(truth, truth.loadRes(found), "bbox")
    result.run()
    return float(result.stats[0])


def main(args):
    """Train, and print one line an epoch."""
    (train, _), (val, annotations) = load_data(args, "train"), load_data(args, "val")
    model, optimizer = build(args, len(annotations["categories"]))
    for epoch in range(1, args.epochs + 1):
        loss = sum(float(train_step(model, optimizer, batch)) for batch in train) / len(train)
        print(f"epoch {epoch}: loss {loss:.4f}, AP {evaluate(model, val, annotations):.4f}")


if __name__ == "__main__":
    main(FLAGS.parse_args())
