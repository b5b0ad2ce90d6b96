"""Flows of odd shapes to draw, and a poster read back from its SVG."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from chart_kit import VOCABULARY

from engine.chart.load import load_flow
from engine.chart.model import Flow
from engine.chart.poster.lettering import width_of

SVG = "{http://www.w3.org/2000/svg}"
ANCHORS = {"start": 0.0, "middle": 0.5, "end": 1.0}
MOVED = re.compile(r"translate\((\S+) (\S+)\)")

LONG = " and ".join(f"context.counter_number_{number} < {number}" for number in range(9))

ODD: dict[str, str] = {
    "one_state": "states:\n  ONLY: {resting: true}\n",
    "three_levels": """\
about: States that stand in states that stand in states.
states:
  A:
    states:
      B:
        on: {next: A.E}
        states:
          C:
            on: {go: .D}
            states:
              x: {on: {go: A.B.C.y}}
              y: {on: {next: A.B.D}}
          D: {on: {go: A.E}}
      E:
        after: {3s: Z, 5s: A.B.C.y}
  Z: {on: {go: A}}
""",
    "long_guards": f"""\
context:
{"".join(f"  counter_number_{number}: {{type: count, start: 0, cap: 99}}{chr(10)}" for number in range(9))}\
states:
  FIRST_STATE_WITH_A_VERY_LONG_NAME_INDEED:
    on:
      go:
        - {{when: "{LONG}", to: SECOND, do: [{{count: counter_number_1}}]}}
        - THIRD
  SECOND:
    states:
      inner_one:
        on:
          go: {{when: "{LONG}", to: .inner_two}}
          next: THIRD
      inner_two:
        after: {{2s: .inner_one}}
  THIRD:
    on: {{go: FIRST_STATE_WITH_A_VERY_LONG_NAME_INDEED}}
""",
    "chinese": """\
about: 老鹰捉小鸡策略是一个双边做市策略，通过maker方挂单获取流动性奖励，同时使用taker方进行风险对冲，实现低风险套利。
states:
  IDLE:
    about: 空闲状态，等待所有开仓条件满足后才会挂单。
    on: {go: OPENING}
  OPENING:
    about: 只做maker的开仓单正在挂着；每次成交立即对冲。
    states:
      resting:
        on: {go: .waiting, next: IDLE, back: {do: [{say: 订单仍未成交，请人工检查交易所账户与系统账本是否一致}]}}
      waiting: {after: {3s: .resting}}
""",
    "long_names": "states:\n"
    + "".join(f"  EXTRAORDINARILY{number}: {{on: {{go: EXTRAORDINARILY{(number + 1) % 8}}}}}\n" for number in range(8)),
    "forty": "states:\n"
    + "".join(
        f"  S{number:02}:\n    on: {{go: S{(number + 1) % 40:02}, next: S{(number * 7 + 3) % 40:02}}}\n"
        for number in range(40)
    ),
    "no_chain": "states:\n"
    + "".join(
        f"  T{number}:\n    on: {{go: T{(number * 3 + 2) % 7}, next: T{(number * 2 + 5) % 7}}}\n" for number in range(7)
    ),
}


def odd(name: str) -> Flow:
    return load_flow(f"flow: {name}\nversion: 1\n{ODD[name]}", file=f"{name}.yaml", vocabulary=VOCABULARY)


@dataclass(frozen=True, slots=True)
class Text:
    """A line of text as the poster places it, `left` to `right` on the page if it is set in the widest of fonts."""

    words: str
    left: float
    right: float
    base: float
    size: float
    badge: bool  # a journey's number, which may stand beside its box

    def covers(self, other: Text) -> bool:
        upper, lower = sorted((self, other), key=lambda text: text.base)
        near = upper.base + 0.22 * upper.size > lower.base - 0.75 * lower.size
        return near and self.left < other.right - 0.5 and other.left < self.right - 0.5


@dataclass(frozen=True, slots=True)
class Frame:
    """The rectangle of a state, a phase on the path or a box of words, and the lines of text that belong into it."""

    name: str
    left: float
    top: float
    right: float
    bottom: float
    texts: tuple[Text, ...]

    def left_by(self) -> list[str]:
        """What does not stay inside."""
        return [
            text.words
            for text in self.texts
            if not text.badge
            and (text.left < self.left or text.right > self.right or not self.top < text.base < self.bottom)
        ]


class Poster:
    """An SVG read back."""

    def __init__(self, svg: str) -> None:
        self.svg = svg
        self.root = ElementTree.fromstring(svg)

    def by_id(self, identity: str) -> Element:
        (found,) = [element for element in self.root.iter() if element.get("id") == identity]
        return found

    def with_class(self, name: str) -> list[Element]:
        return [element for element in self.root.iter() if name in element.get("class", "").split()]

    def words(self, element: Element | None = None) -> str:
        """All visible text, one space between lines; a tooltip is not visible."""
        lines = (self.root if element is None else element).iter(f"{SVG}text")
        return " ".join("".join(line.itertext()) for line in lines)

    def page(self) -> Frame:
        texts = tuple(_texts(self.root, 0.0, 0.0))
        return Frame("page", 0.0, 0.0, float(self.root.attrib["width"]), float(self.root.attrib["height"]), texts)

    def frames(self) -> Iterator[Frame]:
        yield from _frames(self.root, 0.0, 0.0)


def _frames(element: Element, x: float, y: float) -> Iterator[Frame]:
    x, y = _moved(element, x, y)
    if {"state", "phase", "aside", "sheet"} & {*element.get("class", "").split()}:
        rect = next(element.iter(f"{SVG}rect"))
        wide, high = float(rect.attrib["width"]), float(rect.attrib["height"])
        texts = tuple(text for child in element for text in _texts(child, x, y))
        yield Frame(element.get("id", "sheet"), x, y, x + wide, y + high, texts)
    for child in element:
        yield from _frames(child, x, y)


def _texts(element: Element, x: float, y: float) -> Iterator[Text]:
    x, y = _moved(element, x, y)
    if element.tag == f"{SVG}text":
        size = float(element.attrib["font-size"])
        runs = [(element.text or "", False)]
        runs += [(run.text or "", run.get("class", "").endswith(" b")) for run in element]
        wide = sum(width_of(words, size, bold=bold) for words, bold in runs)
        left = x + float(element.attrib["x"]) - wide * ANCHORS[element.get("text-anchor", "start")]
        badge = any("on-took" in run.get("class", "") for run in element)
        base = y + float(element.attrib["y"])
        yield Text("".join(element.itertext()), left, left + wide, base, size, badge)
    for child in element:
        yield from _texts(child, x, y)


def _moved(element: Element, x: float, y: float) -> tuple[float, float]:
    moved = MOVED.search(element.get("transform", ""))
    return (x, y) if moved is None else (x + float(moved[1]), y + float(moved[2]))
