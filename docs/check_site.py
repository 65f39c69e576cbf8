"""Check a built site: no page, style or script asks the network for anything, and every local file is there.

python docs/check_site.py site
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

LOADS = re.compile(
    r"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\bsrc\s*=\s*[\"']?(?P<src>[^\"'\s>]+)"
    r"|<link\b(?=[^>]*\brel\s*=\s*[\"'](?:stylesheet|icon|preload|preconnect|dns-prefetch|shortcut icon)[\"'])"
    r"[^>]*?\bhref\s*=\s*[\"'](?P<href>[^\"']+)",
    re.IGNORECASE,
)
STYLE_LOADS = re.compile(r"(?:@import\s+|url\(\s*)[\"']?(?P<url>[^\"')\s;]+)", re.IGNORECASE)


def loads(path: Path) -> Iterator[str]:
    """Addresses that a browser fetches by itself when it shows this file."""
    text = path.read_text(encoding="utf-8", errors="replace")
    if path.suffix == ".html":
        yield from (match["src"] or match["href"] for match in LOADS.finditer(text))
        text = " ".join(re.findall(r"<style.*?</style>", text, re.DOTALL | re.IGNORECASE))
    if path.suffix in (".html", ".css"):
        yield from (match["url"] for match in STYLE_LOADS.finditer(text))


def problems(site: Path) -> list[str]:
    """Outside requests and missing files, one line each."""
    found = []
    for path in sorted(site.rglob("*")):
        if path.suffix not in (".html", ".css"):
            continue
        for address in loads(path):
            if re.match(r"(?:[a-z]+:)?//", address, re.IGNORECASE):
                found.append(f"{path.relative_to(site)}: asks for {address}")
            elif not address.startswith(("data:", "#")):
                target = path.parent / unquote(re.split(r"[?#]", address)[0])
                if not target.exists():
                    found.append(f"{path.relative_to(site)}: {address} is missing")
    return found


def main(site: Path) -> int:
    """Print what is wrong."""
    if not (site / "index.html").is_file():
        sys.stderr.write(f"{site}: no site (index.html is missing)\n")
        return 2
    wrong = problems(site)
    sys.stderr.write("".join(f"{line}\n" for line in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
