"""matplotlib's SVG as a short ``data:`` address: the same picture in half the bytes or less."""

import re
from collections import Counter
from urllib.parse import quote
from xml.etree import ElementTree as ET

_SVG, _XLINK = "{http://www.w3.org/2000/svg}", "{http://www.w3.org/1999/xlink}"
_LEFT_OUT = re.compile(r"<metadata>.*?</metadata>|<!--.*?-->", re.DOTALL)
_NUMBER = re.compile(r"-?\d+\.\d+")
_MOVED = re.compile(r"translate\((-?[\d.]+) (-?[\d.]+)\)")
_TARGET = re.compile(r"(?<=url\(#)[^)]*|(?<=^#).*")
_LETTERS = "abcdefghijklmnopqrstuvwxyz"


def svg_address(svg: str) -> str:
    """Return the ``data:`` address of an SVG that matplotlib wrote.

    Places lose digits that no screen has, equal styles are written once, names become short.
    """
    root = ET.fromstring(_LEFT_OUT.sub("", svg[svg.index("<svg") :]))
    for element in root.iter():
        element.tail = None
        if element.text is not None and not element.text.strip():
            element.text = None
        _shorten(element)
    _rename(root)
    _share_styles(root)
    _unwrap(root)
    ET.register_namespace("", _SVG[1:-1])
    body = re.sub(r"\s+", " ", ET.tostring(root, encoding="unicode")).replace(" />", "/>")
    return "data:image/svg+xml," + quote(body.replace('"', "'"), safe=" =:/'(),;+*@!$&?.-_~")


def _shorten(element: ET.Element) -> None:
    """Round its places, and turn attributes into shorter ones that say the same."""
    given = element.attrib
    if "d" in given:
        path = _NUMBER.sub(_rounded, " ".join(given["d"].split()))
        given["d"] = re.sub(r" ?([A-Za-z]) ?", r"\1", path)
    if _XLINK + "href" in given:
        given["href"] = given.pop(_XLINK + "href")
    moved = _MOVED.fullmatch(given.get("transform", "")) if element.tag == _SVG + "use" else None
    if moved and not {"x", "y"} & set(given):
        del given["transform"]
        x, y = (_NUMBER.sub(_rounded, place) for place in moved.groups())
        given.update({name: place for name, place in (("x", x), ("y", y)) if place != "0"})


def _rounded(number: re.Match[str]) -> str:
    """Return it with one digit after the point, if any."""
    short = f"{float(number.group()):.1f}".removesuffix(".0")
    return "0" if short == "-0" else short


def _rename(root: ET.Element) -> None:
    """Give what is referred to a short name, and nothing else one."""
    wanted: dict[str, str] = {}
    for element in root.iter():
        for name, value in element.attrib.items():
            for target in _TARGET.findall(value) if _refers(name, value) else ():
                wanted.setdefault(target, _name(len(wanted)))
    for element in root.iter():
        for name, value in list(element.attrib.items()):
            if name == "id":
                del element.attrib["id"]
                if value in wanted:
                    element.attrib["id"] = wanted[value]
            elif _refers(name, value):
                element.attrib[name] = _TARGET.sub(lambda target: wanted[target.group()], value)


def _refers(attribute: str, value: str) -> bool:
    return attribute == "href" or "url(" in value


def _share_styles(root: ET.Element) -> None:
    """Write styles that come more than once as classes."""
    styled: dict[ET.Element, str] = {}
    for element in root.iter():
        parts = [part.strip() for part in element.attrib.pop("style", "").split(";")]
        clip = element.attrib.pop("clip-path", None)
        parts += [] if clip is None else [f"clip-path:{clip}"]
        text = ";".join(part.replace(": ", ":") for part in parts if part)
        if text:
            styled[element] = text
    often = [text for text, count in Counter(styled.values()).items() if count > 1]
    classes = {text: _name(number) for number, text in enumerate(often)}
    for element, text in styled.items():
        name = "class" if text in classes else "style"
        element.attrib[name] = classes.get(text, text)
    if classes:
        sheet = ET.Element(_SVG + "style")
        sheet.text = "".join(f".{name}{{{text}}}" for text, name in classes.items())
        root.insert(0, sheet)


def _unwrap(element: ET.Element) -> None:
    """Take away groups that say nothing."""
    children = list(element)
    for child in children:
        _unwrap(child)
        if child.tag == _SVG + "g" and not child.attrib:
            place = list(element).index(child)
            element.remove(child)
            for member in reversed(list(child)):
                element.insert(place, member)


def _name(number: int) -> str:
    """Return a, b, …, z, aa, ab, …."""
    more, last = divmod(number, len(_LETTERS))
    return (_name(more - 1) if more else "") + _LETTERS[last]
