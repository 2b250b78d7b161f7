"""Writes small PDF files as ISO 32000-1 has them: pages of lines in Helvetica, a scan, a password."""

from __future__ import annotations

from collections.abc import Sequence


def pdf(pages: Sequence[Sequence[str]], *, info: str = "", encrypted: bool = False, scan: bool = False) -> bytes:
    """A file of pages, each of lines of text; `info` holds entries of the information dictionary."""
    objects = {1: "<</Type/Catalog/Pages 2 0 R>>", 3: "<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"}
    kids = []
    for number, lines in enumerate(pages):
        page, content = 10 + 2 * number, 11 + 2 * number
        kids.append(f"{page} 0 R")
        shown = " ".join(f"({escaped(line)}) Tj 0 -14 Td" for line in lines)
        drawn = "0 0 99 99 re f" if scan else f"BT /F 11 Tf 40 780 Td {shown} ET"
        objects[page] = (
            f"<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents {content} 0 R/Resources<</Font<</F 3 0 R>>>>>>"
        )
        objects[content] = f"<</Length {len(drawn)}>>\nstream\n{drawn}\nendstream"
    objects[2] = f"<</Type/Pages/Count {len(kids)}/Kids[{' '.join(kids)}]>>"
    objects[4] = f"<<{info}>>"
    secret = f"<{'ab' * 32}>"
    objects[5] = f"<</Filter/Standard/V 1/R 2/P -4/O {secret}/U {secret}>>"
    extra = f"/Encrypt 5 0 R/ID[{secret}{secret}]" if encrypted else ""
    out = b"%PDF-1.4\n"
    places = {}
    for number, body in sorted(objects.items()):
        places[number] = len(out)
        out += f"{number} 0 obj\n{body}\nendobj\n".encode("latin-1")
    start = len(out)
    table = "".join(f"{number} 1\n{place:010} 00000 n \n" for number, place in places.items())
    out += f"xref\n0 1\n0000000000 65535 f \n{table}".encode()
    return out + f"trailer\n<</Size 99/Root 1 0 R/Info 4 0 R{extra}>>\nstartxref\n{start}\n%%EOF\n".encode()


def escaped(line: str) -> str:
    return line.replace("\\", r"\\").replace("(", r"\(").replace(")", r"\)")
