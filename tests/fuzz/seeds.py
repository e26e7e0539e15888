"""Whole files to damage, made when they are needed, and words that bring damage further than chance would."""

import io
import json
import pickletools
import struct
import zipfile
from collections.abc import Callable

import numpy as np


def safetensors() -> list[bytes]:
    """Return safetensors files of several types."""
    arrays = {"conv.weight": ("F32", [2, 3, 2, 2], 96), "bn.count": ("I64", [], 8), "half": ("BF16", [5], 10)}
    header, start = {"__metadata__": {"format": "pt"}}, 0
    for name, (dtype, shape, size) in arrays.items():
        header[name] = {"dtype": dtype, "shape": shape, "data_offsets": [start, start + size]}
        start += size
    text = json.dumps(header).encode()
    return [struct.pack("<Q", len(text)) + text + bytes(range(114)), struct.pack("<Q", 2) + b"{}"]


def pth() -> list[bytes]:
    """Return a state dict as torch.save writes it, in both formats, and the same in a checkpoint. Takes torch."""
    import torch

    state = {"conv.weight": torch.arange(24.0).reshape(2, 3, 2, 2).transpose(0, 1), "bn.count": torch.tensor(7)}
    state["half"] = torch.ones(5, dtype=torch.bfloat16)
    files = []
    for value in (state, {"state_dict": state}):
        for zipped in (True, False):
            stream = io.BytesIO()
            torch.save(value, stream, _use_new_zipfile_serialization=zipped)
            files.append(stream.getvalue())
    return files


def keras() -> list[bytes]:
    """Return weights as Keras 3 and as Keras 2 write them, and an archive. Takes h5py."""
    import h5py

    new, old, archive = io.BytesIO(), io.BytesIO(), io.BytesIO()
    with h5py.File(new, "w") as root:
        for number, layer in enumerate(("conv1", "bn1")):
            held = root.create_group(f"layers/layer_{number}").create_group("vars")
            held.attrs["name"] = layer
            held["0"], held["1"] = np.arange(12, dtype=np.float32).reshape(3, 4), np.array(7)
    with h5py.File(old, "w") as root:
        root.attrs["layer_names"] = [b"conv1"]
        held = root.create_group("conv1")
        held.attrs["weight_names"] = [b"conv1/kernel:0"]
        held["conv1/kernel:0"] = np.ones((3, 4), np.float32)
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("config.json", '{"class_name": "Functional", "config": {"layers": []}}')
        file.writestr("model.weights.h5", new.getvalue())
    return [new.getvalue(), old.getvalue(), archive.getvalue()]


def yaml() -> list[bytes]:
    """Return recipe files."""
    return [
        b"model: resnet18\nlr: 1e-3\nfreeze: [stem, layer1]\nschedule: cosine\nnesterov: true\npatience: null\n",
        b'{"model": "resnet18", "epochs": 3, "weights": "none"}\n',
        b"# comment\n---\nname: 'a: b'\nseed: 0x10\ndata: >\n  folded\n  text\nbatch_size: 8\n...\n",
    ]


def csv() -> list[bytes]:
    """Return manifests of four images, which `prepare` puts beside them."""
    rows = "".join(f"{i}.png,{'cat' if i % 2 else 'dog'},{'val' if i > 1 else 'train'}\n" for i in range(4))
    return [
        b"path,label,split\n" + rows.encode(),
        b"\xef\xbb\xbfpath,label\r\n0.png,cat\r\n1.png,dog\r\n2.png,cat\r\n3.png,dog\r\n",
        b'label,path\n"a, b",0.png\n"say ""x""",1.png\n"a, b",2.png\n"say ""x""",3.png\n',
    ]


def image() -> list[bytes]:
    """Return small images in each format and in many modes."""
    from PIL import Image

    pixels = np.add.outer(np.arange(40) * 3, np.arange(48) * 2)[..., None].repeat(3, 2).astype(np.uint8)
    whole = Image.fromarray(pixels)
    exif = Image.Exif()
    exif[0x0112] = 6
    made = [
        (whole, "JPEG", {"exif": exif}),
        (whole, "JPEG", {"progressive": True}),
        (whole.convert("CMYK"), "JPEG", {}),
        (whole, "PNG", {}),
        (whole.convert("P"), "PNG", {"transparency": 3}),
        (whole.convert("RGBA"), "PNG", {}),
        (Image.fromarray(pixels[..., 0].astype(np.uint16) * 200), "PNG", {}),
        (whole, "GIF", {"save_all": True, "append_images": [whole.rotate(90)]}),
        (whole, "WEBP", {}),
        (whole, "WEBP", {"lossless": True, "exif": exif}),
        (whole, "TIFF", {"compression": "tiff_lzw"}),
        (whole.convert("1"), "TIFF", {"compression": "group4"}),
        (whole, "BMP", {}),
        (whole, "PPM", {}),
    ]
    files = []
    for picture, kind, options in made:
        stream = io.BytesIO()
        picture.save(stream, kind, **options)
        files.append(stream.getvalue())
    return files


def coco() -> list[bytes]:
    """Return COCO's JSON of the four images that `prepare` makes: polygons, run lengths and keypoints; panoptic."""
    from ft.metrics.run_lengths import pack

    images = [{"id": i, "file_name": f"{i}.png", "height": 9, "width": 9} for i in range(4)]
    eyes, counts = ["left eye", "right eye"], [10, 20, 51]
    categories = [{"id": k, "name": name, "keypoints": eyes} for k, name in ((7, "cat"), (2, "dog"))]
    shapes = ([[1, 1, 6, 1, 6, 5]], {"size": [9, 9], "counts": counts}, {"size": [9, 9], "counts": pack(counts)})
    shared = {"bbox": [1, 1, 5, 4], "area": 20.5, "iscrowd": 0, "keypoints": [2, 2, 2, 3, 3, 1]}
    drawn = [{"image_id": i, "category_id": (7, 2)[i % 2], "segmentation": shapes[i % 3], **shared} for i in range(4)]
    segments = [
        {"image_id": i, "file_name": f"{i}.png", "segments_info": [{"id": i * 60, "category_id": (7, 2)[i % 2]}]}
        for i in range(4)
    ]
    return [
        json.dumps({"images": images, "annotations": annotations, "categories": categories}).encode()
        for annotations in (drawn, segments)
    ]


def voc() -> list[bytes]:
    """Return Pascal VOC's XML of one of these images."""
    box = "<bndbox><xmin>2</xmin><ymin>2</ymin><xmax>7</xmax><ymax>6</ymax></bndbox>"
    things = "".join(f"<object><name>{name}</name>{box}</object>" for name in ("cat", "dog"))
    size = "<size><width>9</width><height>9</height></size>"
    return [f"<annotation>{size}{things}</annotation>".encode(), b"<?xml version='1.0'?><annotation/>"]


def yolo() -> list[bytes]:
    """Return the labels of an image, and a data.yaml: what tells them apart is a colon."""
    return [b"0 0.5 0.5 0.25 0.5\n1 0.1 0.1 0.5 0.1 0.5 0.5\n", b"train: images\nnames: {0: cat, 1: dog}\nnc: 2\n"]


def texts() -> list[bytes]:
    """Return tables of texts."""
    rows = [{"text": f"a text {i}", "label": "yes" if i % 2 else "no", "score": i / 2} for i in range(6)]
    lines = [b"\n".join(json.dumps(row).encode() for row in rows)]
    words = [{"tokens": ["a", f"word{i}"], "tags": ["O", "B-X"]} for i in range(6)]
    lines += [b"\n".join(json.dumps(row).encode() for row in words)]
    lines += [b"text,label\n" + b"".join(b"text %d,%d.5\n" % (i, i % 3) for i in range(6))]
    return [*lines, b"a O\nword B-X\n\n" * 6]


def tokenizer() -> list[bytes]:
    """Return a tokenizer.json of word pieces, with special tokens around them. Takes tokenizers."""
    from ft.data.text.open import word_pieces

    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "a", "b", "c", "##b", "##c"]
    return [word_pieces("\n".join(words), {}).to_str().encode()]


def config() -> list[bytes]:
    """Return a config.json of each architecture."""
    from ft.zoo.text import TextConfig, parse_config

    def made(architecture: str) -> TextConfig:
        return parse_config({"model_type": architecture}, origin="")

    return [json.dumps(made(name).as_json()).encode() for name in ("bert", "distilbert", "roberta", "gpt2")]


SEEDS: dict[str, Callable[[], list[bytes]]] = {
    f.__name__: f for f in (pth, keras, safetensors, yaml, csv, image, coco, voc, yolo, texts, tokenizer, config)
}
OPCODES = [op.code.encode("latin-1") for op in pickletools.opcodes]
NUMBERS = [struct.pack(f, n) for f in ("<I", "<Q", ">I", "<H") for n in (0, 1, 255, 65535)]
NUMBERS += [b"\xff" * 8, b"\x7f" * 4]
JSON = [
    *b'null true NaN 1e999 -1 18446744073709551616 "" [] {} [[ "\\ud800" "\\u0000" "id": '.split(),
    b"\n",
    b"9" * 400,
]
WORDS = {
    "pth": [*OPCODES, *NUMBERS, b"cos\nsystem\n", b"cbuiltins\neval\n", b"ctorch._utils\n_rebuild_tensor_v2\n"],
    "keras": [*NUMBERS, *b"OHDR TREE SNOD HEAP ../ PK\3\4 name Lambda".split()],
    "safetensors": [*NUMBERS, *b'"F32" [0,0] -1 1e400 18446744073709551616 "__metadata__" { }'.split()],
    "yaml": [
        *b"!!python/object/apply:os.system <<: 2020-01-01 .nan 1_000 0b2 190:20:30 = { [ ' \" | >".split(),
        *(b"&a [*a, *a]", b"? ", b"- ", b": ", b"\t", b"\xf0\x9f\x98\x80", b"\0"),
    ],
    "csv": [
        *b', " ../ /etc/passwd http://x/ path label split \xff C:\\ 99999999999999999999'.split(),
        *(b"\n", b"\r", b"\0", b"x" * 300),
    ],
    "coco": [*JSON, *b"bbox segmentation counts size keypoints area iscrowd 1e308 0 -1".split()],
    "voc": [
        *b"<object> </object> <!DOCTYPE <!ENTITY &x; <![CDATA[ nan inf &#0; <a> </a> -1".split(),
        *(b"<?xml version='1.0' encoding='%s'?>" % name for name in (b"foo", b"utf-16", b"idna", b"cp437", b"utf-7")),
    ],
    "yolo": [*b"nan inf -1 1e308 99999999999999999999 !!python/name:os.system &a *a { } [ ] ../ 2020-99-99".split()],
    "texts": [*JSON, *b'text label tokens tags | , " B- I- O'.split(), b"\t", b"\r", b"\0", b"\xff"],
    "tokenizer": [*JSON, *b"WordPiece BPE Unigram Regex ByteLevel Sequence (a+)+$ type_id ids 4294967295".split()],
    "config": [*JSON, *b"bert gpt2 gelu 16777216 1e-400".split()],
    "image": [*NUMBERS, *b"\xff\xd8\xff \xff\xc4 \xff\xda IHDR IDAT iCCP acTL Exif VP8X II*\0 RIFF GIF89a".split()],
}
