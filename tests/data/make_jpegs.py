#!/usr/bin/env python3
"""Makes tests/data/jpegs and prints the table of jpeg_test.cpp: what Pillow (10.4.0) makes of each.

usage: python3 make_jpegs.py    (needs Pillow)
"""
import hashlib
import io
import math
import pathlib

from PIL import Image

FOLDER = pathlib.Path(__file__).parent / "jpegs"


def picture(width, height):
    """Smooth waves with a hard edge: filtering and chroma upsampling both show."""
    image = Image.new("RGB", (width, height))
    for y in range(height):
        for x in range(width):
            red = 127 + 120 * math.sin(x / 5 + y / 11)
            green = 255 if (x // 7 + y // 9) % 2 else 20
            blue = 255 * x * y / (width * height)
            image.putpixel((x, y), (int(red), green, int(blue)))
    return image


def center_crop(image, size):
    """torchvision.transforms.functional.center_crop."""
    left = int(round((image.width - size) / 2.0))
    top = int(round((image.height - size) / 2.0))
    return image.crop((left, top, left + size, top + size))


def prepared(image, size):
    """torchvision's Resize(max(256, size)) and CenterCrop(size), planar."""
    edge = max(256, size)
    shorter = min(image.size)
    scaled = image.resize((edge * image.width // shorter, edge * image.height // shorter),
                          Image.BILINEAR)
    return b"".join(channel.tobytes() for channel in center_crop(scaled, size).split())


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def main():
    FOLDER.mkdir(exist_ok=True)
    sources = {
        "wide": (picture(97, 61), {"quality": 90}),
        "tall": (picture(40, 83), {"quality": 75, "subsampling": 0}),
        "large": (picture(411, 333), {"quality": 30}),
        "progressive": (picture(64, 64), {"quality": 80, "progressive": True}),
        "grey": (picture(50, 50).convert("L"), {"quality": 85}),
        "inks": (picture(48, 40).convert("CMYK"), {"quality": 90}),
    }
    for name, (image, options) in sources.items():
        path = FOLDER / f"{name}.jpg"
        if not path.exists():
            image.save(path, "JPEG", **options)
        decoded = Image.open(io.BytesIO(path.read_bytes())).convert("RGB")
        row = [sha256(decoded.tobytes())] + [sha256(prepared(decoded, n)) for n in (224, 227, 299)]
        print(f'    {{"{name}", {decoded.width}, {decoded.height},')
        print(",\n".join(f'     "{digest}"' for digest in row) + "},")


main()
