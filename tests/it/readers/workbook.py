"""Reads a workbook by openpyxl and prints what it found as JSON."""

import datetime
import json
import sys

import openpyxl

book = openpyxl.load_workbook(sys.argv[1])
# What formulas came to when the file was written.
results = openpyxl.load_workbook(sys.argv[1], data_only=True)


def plain(value):
    if isinstance(value, datetime.datetime):
        return value.isoformat(" ")
    return value


sheets = []
for sheet in book.worksheets:
    sheets.append(
        {
            "name": sheet.title,
            "rows": [[plain(c.value) for c in row] for row in sheet.iter_rows()],
            "results": [[plain(c.value) for c in row] for row in results[sheet.title].iter_rows()],
            # s: text, n: number or nothing, d: a date, f: a formula.
            "types": [[c.data_type for c in row] for row in sheet.iter_rows()],
            "formats": [c.number_format for c in next(sheet.iter_rows(min_row=2), ())],
            "links": {c.coordinate: c.hyperlink.target for row in sheet.iter_rows() for c in row if c.hyperlink},
            "locked": [c.protection.locked and sheet.protection.sheet for c in next(sheet.iter_rows(min_row=2), ())],
            "bold": [c.font.bold for c in next(sheet.iter_rows())],
            "frozen": sheet.freeze_panes,
            "filter": sheet.auto_filter.ref,
            "paper": [int(sheet.page_setup.paperSize), sheet.page_setup.orientation, sheet.print_title_rows],
            "pages": [
                sheet.sheet_properties.pageSetUpPr.fitToPage,
                int(sheet.page_setup.fitToWidth or 1),
                int(sheet.page_setup.fitToHeight),
            ],
        }
    )
print(json.dumps({"sheets": sheets, "created": plain(book.properties.created)}))
