"""Prints the texts of all parts of a zip file from standard input, as JSON."""

import io
import json
import sys
import zipfile

archive = zipfile.ZipFile(io.BytesIO(sys.stdin.buffer.read()))
print(json.dumps({name: archive.read(name).decode() for name in archive.namelist()}))
