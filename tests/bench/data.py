# SPDX-FileCopyrightText: SI CEKAT contributors
# SPDX-License-Identifier: GPL-3.0-or-later

"""The data of the bench: half text, half bytes that do not compress; the same at every run."""

from __future__ import annotations

import random
from pathlib import Path

MIB = 1 << 20


def _text(chance: random.Random, size: int) -> bytes:
    """Text that compresses to about half, and never repeats itself: repeated pieces would be stored once."""
    return chance.randbytes(size // 2 + 1).hex().encode()[:size]


def small_files(directory: Path, files: int, total: int) -> Path:
    """Makes that many files of about total bytes together, 100 to a directory; returns the directory."""
    chance = random.Random(directory.name)
    mean = total // files
    for number in range(files):
        if number % 100 == 0:
            folder = directory / f"{number // 100:04}"
            folder.mkdir(parents=True)
        size = chance.randint(mean // 30, 2 * mean - mean // 30)
        (folder / f"berkas {number:06}.dat").write_bytes(_text(chance, size) if number % 2 else chance.randbytes(size))
    return directory


def one_file(directory: Path, size: int) -> Path:
    """Makes one file of size bytes, text and random in turn by the MiB; returns its directory."""
    chance = random.Random(directory.name)
    directory.mkdir()
    with (directory / "besar.dat").open("wb") as file:
        for number in range(-(-size // MIB)):
            piece = min(MIB, size - number * MIB)
            file.write(_text(chance, piece) if number % 2 else chance.randbytes(piece))
    return directory
