"""Which names may be given: those that are read as they are written, on a screen as in a URL.

Two dangers. Control characters break logs, tables and `<stem>:<label>`, and the bidirectional formatting characters
make a reader see another name than the one that is stored (CVE-2021-42574; Unicode Technical Report 36, section 2.5).
And clients and proxies resolve `.` and `..` in a path before they send it on (RFC 3986, section 5.2.4), so that to
delete the person `..` would be to delete the collection they are in.
"""

import unicodedata

# Control characters, surrogates (bytes of a file name that are no text), line and paragraph separators.
_CONTROLS = frozenset({"Cc", "Cs", "Zl", "Zp"})
# Embeddings, overrides and isolates. The marks U+200E, U+200F and U+061C stay: names of mixed script need them.
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def is_printable(character: str) -> bool:
    """Tell whether a character neither breaks a line nor reorders what stands around it."""
    return unicodedata.category(character) not in _CONTROLS and character not in _REORDERING


def has_place_in_url(name: str) -> bool:
    """Tell whether a path that ends in this name still does after it has been resolved."""
    return {"", ".", ".."}.isdisjoint(name.split("/"))
