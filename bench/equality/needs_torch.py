"""PyTorch and NumPy, or a sentence that says where they are; --help works without them."""
import os
import sys


def check(help_text):
    try:
        import numpy  # noqa: F401
        import torch  # noqa: F401
    except ImportError as error:
        if {"-h", "--help"} & set(sys.argv[1:]):
            print(help_text)
            sys.exit(0)
        sys.exit("%s: %s is missing in this Python (packages python3-torch, python3-numpy, with /usr/bin/python3)" % (
            os.path.basename(sys.argv[0]), error.name))
