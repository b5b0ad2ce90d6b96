"""The hand-written pages leave nothing out: every rule, every word of the user's note."""

from __future__ import annotations

import re

from pages_kit import page

SAFETY = page("docs/safety.md").text
NOTE = page("docs/eagle_note_mapping.md").text
# The words of the user's note, and of what it asks to be counted and logged.
OF_THE_NOTE = (
    *("EagleChickenStrategy", "MakerManager", "TakerPoolManager", "PositionTracker", "OrderManager", "StrategyState"),
    *("BaseExchangeClient", "StrategyEvent", "OrderFilledEvent", "OrderCanceledEvent", "TimeoutEvent", "IDLE"),
    *("MAKER_OPENING", "TAKER_HEDGING", "HOLDING", "MAKER_CLOSING", "TAKER_CLOSING", "CLEANUP", "ERROR", "PENDING"),
    *("OPEN", "PARTIALLY_FILLED", "FILLED", "CANCELED", "FAILED", "maker_open_position", "maker_close_position"),
    *("taker_hedge_positions", "net_position", "random.choice", "SIGINT", "账户池", "Maker账户", "Taker账户池"),
    *(
        "持仓时间范围",
        "轮次配置",
        "3秒超时",
        "取消超时保护",
        "x个tick_size",
        "最大单笔交易量",
        "总仓位上限",
        "异常仓位自动平仓",
    ),
    *(
        "断线重连",
        "价格剧烈波动",
        "流动性不足",
        "异常价差",
        "交易对列表",
        "全部用yaml",
        "彩色命令行日志",
        "成交率统计",
        "盈亏统计",
    ),
    *("仓位偏差监控", "延迟监控", "订单生命周期日志", "仓位变化日志", "异常事件日志", "性能指标日志"),
    "使用sqlite来记录所有已成交的订单",
)


def test_every_safety_rule_has_a_test_or_says_that_it_is_not_built() -> None:
    sections = dict(re.findall(r"^### S(\d+) [^\n]+\n(.*?)(?=^##|\Z)", SAFETY, flags=re.MULTILINE | re.DOTALL))
    assert list(sections) == [str(number) for number in range(1, 23)]
    silent = [
        number
        for number, text in sections.items()
        if "*Not yet:*" not in text and "*Test:* `tests/" not in " ".join(text.split())
    ]
    assert silent == []


def test_every_word_of_the_note_is_mapped_to_something() -> None:
    rows = re.findall(r"^\| (.*?) \| (.+?) \|$", NOTE, flags=re.MULTILINE)
    mapped = {word for word in OF_THE_NOTE for name, here in rows if word in name and here.strip()}
    assert [word for word in OF_THE_NOTE if word not in mapped] == []


def test_every_requirement_is_mapped_to_something() -> None:
    rows = re.findall(r"^\| (E\d+) \| .+? \| .*?`.+ \|$", NOTE, flags=re.MULTILINE)
    assert rows == [f"E{number}" for number in range(1, 21)]
