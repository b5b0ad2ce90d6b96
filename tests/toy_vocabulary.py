"""A coffee machine: the vocabulary and the flow in which the chart engine is tested without any trading."""

from __future__ import annotations

from engine.chart.model import (
    BOOL,
    COUNT,
    DURATION,
    MONEY,
    QTY,
    RATIO,
    TEXT,
    EventKind,
    Expression,
    Mapped,
    Node,
    Parameter,
    SectionResult,
    SectionTools,
    Type,
    Verb,
    Vocabulary,
)

DRINK = Type("drink", ("espresso", "lungo", "tea"))


def read_recipes(node: Node | None, tools: SectionTools) -> SectionResult:
    """`recipes: {name: {grams: expression, price: literal}}`; each declares `NAME.price` and a thing `recipe`."""
    recipes: dict[str, Expression] = {}
    names: dict[str, Type] = {}
    for name, recipe in node.entries.items() if isinstance(node, Mapped) else ():
        parts = recipe.entries if isinstance(recipe, Mapped) else {}
        if "price" not in parts or "grams" not in parts:
            tools.report("H699", recipe.span, f"recipe {name} needs `grams:` and `price:`")
            continue
        tools.literal(parts["price"], MONEY)
        grams = tools.expression(parts["grams"], QTY, {"dose": QTY})
        names[f"{name}.price"] = MONEY
        if grams is not None:
            recipes[name] = grams
    used = {read.removeprefix("settings.") for grams in recipes.values() for read in grams.names}
    return SectionResult(recipes, names, {"recipe": frozenset(names_of(node))}, frozenset(used))


def names_of(node: Node | None) -> list[str]:
    return list(node.entries) if isinstance(node, Mapped) else []


COFFEE = Vocabulary(
    events={
        event.name: event
        for event in (
            EventKind("coin.inserted", "a coin fell in", {"value": MONEY}, must_handle=True),
            EventKind("drink.chosen", "a button was pressed", {"drink": DRINK, "sugar": COUNT}),
            EventKind("cup.taken", "the cup left its place", {"after": DURATION}),
            EventKind("door.opened", "the service door opened"),
            EventKind("door.closed", "the service door closed"),
        )
    },
    verbs={
        verb.name: verb
        for verb in (
            Verb("display", "show a line", (Parameter("text", "the line", TEXT),)),
            Verb(
                "pour",
                "pour water",
                (
                    Parameter("amount", "how much", QTY),
                    Parameter("heat", "share of the boiler's power", RATIO, required=False, default="1"),
                    Parameter("drink", "for which drink", DRINK, required=False),
                ),
            ),
            Verb("grind", "grind for a recipe", (Parameter("recipe", "which recipe", refers_to="recipe"),)),
            Verb("beep", "make a sound"),
            Verb(
                "brew",
                "brew a recipe; replies when the cup is full",
                (Parameter("recipe", "which recipe", refers_to="recipe"),),
                replies=True,
                reply_attributes={"poured": QTY},
            ),
        )
    },
    names={"cup_present": BOOL, "water": QTY, "credit": MONEY, "chosen": DRINK, "tank.level": RATIO},
    sections={"recipes": read_recipes},
)

COFFEE_FLOW = """\
flow: coffee
version: 1
about: Takes coins, brews one cup, and waits until it is taken.

settings:
  dose: {type: qty, default: 7, above: 0, about: grams of coffee for a cup}
  patience: {type: duration, default: 20s, about: how long a choice may take}
  brew_timeout: {type: duration, default: 1m30s}
  rest: {type: duration range, default: 100..300ms, about: pause between cups}
  tries: {type: count, default: 2}

context:
  cups: {type: count, start: 0, cap: 100, about: cups of this run}
  open: {type: bool, start: false, about: the door is open}

recipes:
  espresso: {grams: settings.dose, price: 0.80}
  lungo: {grams: settings.dose * 1.5, price: 1.20}

events:
  served: the cup is full

on:
  coin.inserted: {do: [{display: thank you}], because: no coin is ever lost}
  door.opened: {to: SERVICE, do: [{set: {open: true}}]}
ignore:
  drink.chosen: nothing was paid
  cup.taken: nobody waits for it
  door.closed: the door was never open
  served: only the full cup beeps

states:
  IDLE:
    resting: true
    on:
      coin.inserted:
        - {when: credit >= espresso.price and water > 0 and not context.open, to: CHOOSING}
        - {do: [{display: not enough}]}
  CHOOSING:
    after:
      patience: IDLE
    on:
      drink.chosen:
        - {when: "event.drink in [espresso, lungo]", to: BREWING}
        - {do: [{beep: }], because: no tea today}
  BREWING:
    initial: grinding
    exit: [{display: ready}]
    states:
      grinding:
        entry: [{grind: espresso}]
        always: .filling
      filling:
        entry: [{pour: {amount: settings.dose * 5, heat: 90%}}]
        invoke:
          do: {brew: espresso}
          timeout: brew_timeout
          retry: {times: tries, wait: 250ms}
          done: {to: .full, when: event.poured > 0, do: [{count: cups}, {raise: served}]}
          error: IDLE
      full:
        on:
          cup.taken: .cooling
          served: {do: [{beep: }]}
        after:
          2m: .cooling
      cooling:
        defer: [drink.chosen]
        after:
          rest: IDLE
  SERVICE:
    resting: true
    on:
      door.closed: {to: IDLE, do: [{set: {open: false}}, {reset: cups}]}
      door.opened: {to: STOPPED, because: the switch is broken}
  STOPPED:
    final: true

invariants:
  - {name: water is never negative, holds: water >= 0}
properties:
  - {name: a cup comes, leads_to: {when: state == BREWING, then: state != BREWING}}
  - {name: it can serve, sometimes: state == BREWING.full}
  - {name: leaves with a cup, on_exit: {state: BREWING.full, holds: context.cups > 0}}
"""
