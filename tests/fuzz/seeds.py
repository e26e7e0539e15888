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


SEEDS: dict[str, Callable[[], list[bytes]]] = {
    f.__name__: f for f in (pth, keras, safetensors, yaml, csv, image)
}  # fmt: skip
OPCODES = [op.code.encode("latin-1") for op in pickletools.opcodes]
NUMBERS = [struct.pack(f, n) for f in ("<I", "<Q", ">I", "<H") for n in (0, 1, 255, 65535)]
NUMBERS += [b"\xff" * 8, b"\x7f" * 4]
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
    "image": [*NUMBERS, *b"\xff\xd8\xff \xff\xc4 \xff\xda IHDR IDAT iCCP acTL Exif VP8X II*\0 RIFF GIF89a".split()],
}
