"""Fills in cells of a workbook by openpyxl: JSON of sheets, cells and values on standard input."""

import datetime
import json
import sys

import openpyxl

book = openpyxl.load_workbook(sys.argv[1])
for name, cells in json.load(sys.stdin).items():
    for cell, value in cells.items():
        if isinstance(value, str) and value.startswith("date:"):
            value = datetime.datetime.fromisoformat(value[len("date:") :])
        book[name][cell] = value
book.save(sys.argv[1])
print("null")
