"""The tables of the journal: peewee models, the view `filled_orders`, and what marks a file as ours.

Decimals are text, times are integers with their unit in the name. Every row carries the run's number, so that one
file holds many runs. Columns whose name ends in `wall_ms` are the only ones that differ between equal runs.
"""

from __future__ import annotations

import sqlite3

from peewee import BooleanField, CompositeKey, IntegerField, Model, SqliteDatabase, TextField

APPLICATION_ID = 0x6561676C  # "eagl" in the file's header
VERSION = 3  # PRAGMA user_version; raise it with every change of a table or of the codec


class Run(Model):
    number = IntegerField(primary_key=True)
    flow = TextField()
    flow_version = IntegerField()
    flow_digest = TextField()
    flow_text = TextField()
    config_text = TextField()  # without secrets
    seed = IntegerField()
    settings = TextField()  # JSON
    plan = TextField()  # JSON from which the desk is built again
    venues = TextField()  # JSON: kind of each venue; of a paper venue its market and how it fills
    speed = TextField()  # 1x, a multiple such as 10x, or max: virtual time
    program = TextField()
    started_wall_ms = IntegerField()
    ended_wall_ms = IntegerField(null=True)
    exit_code = IntegerField(null=True)  # null: the process died

    class Meta:
        table_name = "runs"


class Account(Model):
    """What an account traded in a run, as far as the audit needs it."""

    run = IntegerField()
    name = TextField()
    venue = TextField()
    symbol = TextField()
    market = TextField()
    base = TextField()
    quote = TextField()
    lot = TextField()
    min_qty = TextField()
    min_notional = TextField()

    class Meta:
        table_name = "accounts"
        primary_key = CompositeKey("run", "name")
        without_rowid = True


class Round(Model):
    run = IntegerField()
    round = IntegerField()
    side = TextField()
    expected_bps = TextField(null=True)  # cost of its notional if both books stood still (S10)
    began_seq = IntegerField()
    began_ns = IntegerField()
    began_wall_ms = IntegerField()
    ended_seq = IntegerField(null=True)
    ended_ns = IntegerField(null=True)
    ended_wall_ms = IntegerField(null=True)
    opened = TextField(null=True)
    closed = TextField(null=True)
    residue = TextField(null=True)
    volume = TextField(null=True)
    fees = TextField(null=True)
    cash = TextField(null=True)

    class Meta:
        table_name = "rounds"
        primary_key = CompositeKey("run", "round")
        without_rowid = True


class Intent(Model):
    """A request as decided, committed before it may be sent. A cancel names its order and leaves the rest null."""

    run = IntegerField()
    seq = IntegerField()
    kind = TextField()  # place or cancel
    account = TextField()
    symbol = TextField()
    client_id = TextField()
    venue = TextField(null=True)
    round = IntegerField(null=True)
    leg = TextField(null=True)
    attempt = IntegerField(null=True)
    purpose = TextField(null=True)
    side = TextField(null=True)
    qty = TextField(null=True)
    price = TextField(null=True)
    type = TextField(null=True)
    tif = TextField(null=True)
    post_only = BooleanField(null=True)
    reduce_only = BooleanField(null=True)
    covers = TextField(null=True)
    epoch = IntegerField(null=True)
    not_after_ns = IntegerField()
    at_ns = IntegerField()
    wall_ms = IntegerField()

    class Meta:
        table_name = "intents"


class Send(Model):
    """What became of an intent at the wire: sent, or dropped with a reason."""

    run = IntegerField()
    client_id = TextField()
    request = TextField()
    at_ns = IntegerField()
    dropped = TextField(null=True)

    class Meta:
        table_name = "sends"


class Order(Model):
    """The newest state of an order. `cum_qty` is what is known to have filled, `row_qty` what fill rows explain.

    The five stamps are of the run's monotonic clock: `received_ns` and `decoded_ns` of the fill whose step decided the
    order (null if it was none), `decided_ns` before the intent was written, `signed_ns` and `written_ns` as the
    client tells them with its answer. `bid` to `ask_qty` are its book as steps had read it when it was decided.
    """

    run = IntegerField()
    client_id = TextField()
    account = TextField()
    venue = TextField()
    symbol = TextField()
    round = IntegerField()
    leg = TextField()
    purpose = TextField()
    side = TextField()
    qty = TextField()
    price = TextField(null=True)
    order_id = TextField()
    state = TextField()
    cum_qty = TextField()
    row_qty = TextField()
    notional = TextField()
    avg_price = TextField(null=True)
    fee = TextField(null=True)  # null where fills paid in several assets: see their rows
    fee_asset = TextField(null=True)
    first_fill_ms = IntegerField(null=True)
    last_fill_ms = IntegerField(null=True)
    received_ns = IntegerField(null=True)
    decoded_ns = IntegerField(null=True)
    decided_ns = IntegerField(null=True)
    signed_ns = IntegerField(null=True)
    written_ns = IntegerField(null=True)
    bid = TextField(null=True)
    bid_qty = TextField(null=True)
    ask = TextField(null=True)
    ask_qty = TextField(null=True)

    class Meta:
        table_name = "orders"
        primary_key = CompositeKey("run", "client_id")
        without_rowid = True


class Fill(Model):
    """A fill row (S5). A provisional one is what a snapshot showed before its rows: no fee, the order's price.

    `news_qty` is how much of the row was not known before; summed over all rows it is the position, at any `seq`.
    `at_ns` is the time of that step on the run's monotonic clock, `at_ms` the venue's. What its order was for, and the
    book that judges it, stand here too, so that a long run is reported in one pass: `bid` and `ask` of a maker's fill
    as steps had read them by then, of a taker's as they were when its order was decided, with the size of that touch.
    """

    run = IntegerField()
    venue = TextField()
    account = TextField()
    symbol = TextField()
    order_id = TextField()
    trade_id = TextField()
    seq = IntegerField()
    at_ns = IntegerField()
    client_id = TextField()
    side = TextField()
    qty = TextField()
    news_qty = TextField()
    price = TextField(null=True)
    fee = TextField()
    fee_asset = TextField()
    liquidity = TextField()
    kind = TextField()
    at_ms = IntegerField()
    provisional = BooleanField()
    purpose = TextField(null=True)  # null with the rest: no order of this run
    round = IntegerField(null=True)
    decided_ns = IntegerField(null=True)
    bid = TextField(null=True)
    ask = TextField(null=True)
    touch_qty = TextField(null=True)  # null for a maker

    class Meta:
        table_name = "fills"
        primary_key = CompositeKey("run", "venue", "account", "symbol", "order_id", "trade_id")
        without_rowid = True


class Transition(Model):
    run = IntegerField()
    seq = IntegerField()
    event = TextField()
    source = TextField()
    target = TextField(null=True)  # null: the chart stayed
    round = IntegerField()
    at_ns = IntegerField()

    class Meta:
        table_name = "transitions"


class Alert(Model):
    run = IntegerField()
    seq = IntegerField()  # 0: of no step
    level = IntegerField()
    code = TextField()
    text = TextField()
    facts = TextField()  # JSON
    at_ns = IntegerField()
    wall_ms = IntegerField()

    class Meta:
        table_name = "alerts"


class QuoteUsed(Model):
    """A quote that the step of input `seq` read."""

    run = IntegerField()
    seq = IntegerField()
    venue = TextField()
    symbol = TextField()
    bid = TextField()
    bid_qty = TextField()
    ask = TextField()
    ask_qty = TextField()
    recv_ns = IntegerField()
    venue_ms = IntegerField()

    class Meta:
        table_name = "quotes_used"


class Input(Model):
    """What a step was given (codec.py), the chance that it drew, and the digest of what it asked for."""

    run = IntegerField()
    seq = IntegerField()
    at_ns = IntegerField()
    wall_ms = IntegerField()
    kind = TextField()
    body = TextField()
    draws = TextField(null=True)  # JSON array
    effects = TextField()  # codec.effects_digest

    class Meta:
        table_name = "inputs"
        primary_key = CompositeKey("run", "seq")
        without_rowid = True


class Holding(Model):
    """A position as the venue reported it at the start (the baseline, S1) or at the end of a run.

    What earlier runs left has two rows more, of the journal: `carried`, and the `baseline` on which it stands.
    """

    run = IntegerField()
    moment = TextField()  # start, end, carried or baseline
    account = TextField()
    symbol = TextField()
    qty = TextField()
    entry_price = TextField()
    mark_price = TextField(null=True)  # at which the venue counts it in the account's equity

    class Meta:
        table_name = "holdings"
        primary_key = CompositeKey("run", "moment", "account", "symbol")
        without_rowid = True


class Balance(Model):
    """Collateral as the venue reported it; also says that the account's holdings were read, none being flat."""

    run = IntegerField()
    moment = TextField()
    account = TextField()
    equity = TextField()
    free = TextField()
    maintenance = TextField()

    class Meta:
        table_name = "balances"
        primary_key = CompositeKey("run", "moment", "account")
        without_rowid = True


MODELS: tuple[type[Model], ...] = (
    Run,
    Account,
    Round,
    Intent,
    Send,
    Order,
    Fill,
    Transition,
    Alert,
    QuoteUsed,
    Input,
    Holding,
    Balance,
)

# One id names one order of an account for ever (S15); a cancel may be asked for again.
ONE_ORDER_PER_ID = """
CREATE UNIQUE INDEX one_order_per_id ON intents (account, client_id) WHERE kind = 'place'
"""

FILLED_ORDERS = """
CREATE VIEW filled_orders AS
SELECT run, round, leg, purpose, account, venue, symbol, client_id, order_id, side, qty, cum_qty AS filled_qty,
       avg_price, fee, fee_asset, state, first_fill_ms, last_fill_ms
FROM orders WHERE CAST(cum_qty AS REAL) > 0
"""


def create(database: SqliteDatabase) -> None:
    """Make tables, view and marks in one transaction: a file is a whole journal or none."""
    connection = raw(database)
    with database.bind_ctx(MODELS), database.atomic("EXCLUSIVE"):
        for model in MODELS:
            model.create_table(safe=False)
        connection.execute(ONE_ORDER_PER_ID)
        connection.execute(FILLED_ORDERS)
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {VERSION}")


def raw(database: SqliteDatabase) -> sqlite3.Connection:
    """Peewee's own connection, opened if need be: statements on it cost a tenth of the models' (reliability.md)."""
    connection: sqlite3.Connection = database.connection()  # type: ignore[no-untyped-call]
    return connection


def columns(model: type[Model]) -> tuple[str, ...]:
    """Column names of a table in the order of its model; a row to insert is a tuple in this order."""
    return tuple(field.column_name for field in model._meta.sorted_fields if field.column_name != "id")


def key_columns(model: type[Model]) -> tuple[str, ...]:
    """Columns of the primary key: the order in which rows compare."""
    keys = model._meta.get_primary_keys()  # type: ignore[no-untyped-call]
    return tuple(field.column_name for field in keys)


def insert_sql(model: type[Model], *, or_what: str = "") -> str:
    """An INSERT with one placeholder per column; `or_what` is REPLACE, IGNORE or nothing."""
    names = columns(model)
    verb = f"INSERT OR {or_what}" if or_what else "INSERT"
    listed = ", ".join(f'"{name}"' for name in names)
    return f'{verb} INTO "{model._meta.table_name}" ({listed}) VALUES ({", ".join("?" * len(names))})'
