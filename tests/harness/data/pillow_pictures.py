#!/usr/bin/env python3
"""Writes pillow_pictures.inc: one small picture in every kind of file, with the pixels that Pillow reads from it.

    pip install pillow numpy tifffile imagecodecs && ./pillow_pictures.py

Only for making new ones; the tests need no Python."""
import io
import pathlib
import warnings

import numpy as np
import tifffile
from PIL import Image, ImageOps

warnings.simplefilter('ignore')
W, H = 9, 6
y, x = np.mgrid[0:H, 0:W]
base = np.stack([x * 255 // (W - 1), y * 255 // (H - 1), (x * 37 + y * 61) % 256], -1).astype(np.uint8)
alpha = ((x * 53 + y * 29) % 200 + 56).astype(np.uint8)
rgb, rgba = Image.fromarray(base), Image.fromarray(np.dstack([base, alpha]))
grey = rgb.convert('L')
grey_alpha = Image.merge('LA', (grey, Image.fromarray(alpha)))
bits = grey.convert('1')
palette = rgb.convert('P', palette=Image.ADAPTIVE, colors=9)
cmyk = Image.fromarray(np.dstack([base, alpha // 2]), mode='CMYK')
deep = base.astype(np.uint16) * 257
files = {}


def pillow(name, image, **options):
    buffer = io.BytesIO()
    formats = {'jpg': 'JPEG', 'tif': 'TIFF', 'pgm': 'PPM', 'ppm': 'PPM', 'pbm': 'PPM'}
    suffix = name.split('.')[-1]
    image.save(buffer, formats.get(suffix, suffix.upper()), **options)
    files[name] = buffer.getvalue()


def tiff(name, array, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, array, metadata=None, software=False, **options)
    files[name] = buffer.getvalue()


def exif(turn):
    block = Image.Exif()
    block[0x112] = turn
    return block


pillow('rgb.jpg', rgb, quality=95)
pillow('grey_progressive.jpg', grey, quality=95, progressive=True)
pillow('cmyk.jpg', cmyk, quality=95)
pillow('cmyk_progressive.jpg', cmyk, quality=95, progressive=True)
pillow('stored_as_rgb.jpg', rgb, quality=95, keep_rgb=True)
pillow('turned.jpg', rgb, quality=95, exif=exif(6))
pillow('rgb.png', rgb)
pillow('rgba.png', rgba)
pillow('grey_alpha.png', grey_alpha)
pillow('bits.png', bits)
pillow('palette_with_transparent.png', palette, transparency=3, bits=4)
pillow('transparent_colour.png', rgb, transparency=(0, 0, 0))
pillow('turned.png', rgb, exif=exif(5))
pillow('deep.png', Image.fromarray(deep[..., 0]))
pillow('lossy.webp', rgb, quality=90)
pillow('rgba.webp', rgba, lossless=True, exact=True)
for turn in (6, 7):
    pillow(f'turned{turn}.webp', rgb, lossless=True, exif=exif(turn))
for name, image in dict(rgb=rgb, rgba=rgba, bits=bits, palette=palette).items():
    pillow(f'{name}.bmp', image)
pillow('rgba.tif', rgba)
pillow('bits_white_is_zero.tif', bits, tiffinfo={262: 0})
pillow('palette.tif', palette)
pillow('cmyk.tif', cmyk, compression='tiff_lzw')
pillow('grey_alpha.tif', grey_alpha, compression='packbits')
pillow('fax.tif', bits, compression='group4')
pillow('jpeg.tif', rgb, compression='jpeg', quality=95)
for turn in (4, 5, 8):
    pillow(f'turned{turn}.tif', rgb, tiffinfo={274: turn})
tiff('planar.tif', np.moveaxis(base, -1, 0), photometric='rgb', planarconfig='separate', rowsperstrip=2)
tiff('planar_deflate.tif', np.moveaxis(base, -1, 0), photometric='rgb', planarconfig='separate', compression='deflate')
tiff('rgba_planar.tif', np.moveaxis(np.dstack([base, alpha]), -1, 0), photometric='rgb', planarconfig='separate',
     extrasamples=['unassalpha'])
tiff('tiles.tif', base, photometric='rgb', tile=(16, 16))
tiff('deep_predictor.tif', deep, photometric='rgb', compression='lzw', predictor='horizontal', byteorder='>')
tiff('big.tif', base, photometric='rgb', bigtiff=True)
multiplied = (base.astype(int) * alpha[..., None] / 255).round().astype(np.uint8)
tiff('multiplied_by_alpha.tif', np.dstack([multiplied, alpha]), photometric='rgb', extrasamples=['assocalpha'])
pillow('rgb.ppm', rgb)
pillow('bits.pbm', bits)
for maximum in (1, 15, 300, 65535):
    samples = np.array(grey).astype(int) * maximum // 255
    kind = 'u1' if maximum < 256 else '>u2'
    files[f'maximum{maximum}.pgm'] = b'P5\n# note\n%d %d\n%d\n' % (W, H, maximum) + samples.astype(kind).tobytes()
colours = base.astype(int) * 15 // 255
files['plain.ppm'] = b'P3 %d %d #\n 15\n' % (W, H) + b' '.join(b'%d' % v for v in colours.ravel()) + b'\n'
files['plain.pbm'] = b'P1\n%d %d\n' % (W, H) + b''.join(b'01'[not v:][:1] for v in np.array(bits).ravel()) + b'\n'


def shown(data):
    image = Image.open(io.BytesIO(data))
    image.load()
    image = ImageOps.exif_transpose(image)
    if image.mode.startswith('I'):  # Pillow keeps 16 bits of grey
        image = Image.fromarray((np.array(image) >> 8).astype(np.uint8))
    if image.mode == 'P':
        image = image.convert('RGBA')
    if image.mode in ('RGBA', 'LA'):
        image = Image.merge('RGB', image.split()[:3]) if image.mode == 'RGBA' else image.split()[0]
    return image.convert('RGB')


with open(pathlib.Path(__file__).with_suffix('.inc'), 'w') as out:
    out.write('// Made by pillow_pictures.py: name, file, width, height, pixels as Pillow reads them.\n')
    for name, data in files.items():
        image = shown(data)
        out.write(f'{{"{name}", "{data.hex()}", {image.width}, {image.height}, "{image.tobytes().hex()}"}},\n')
