"""Broken variants of the coffee machine's flow: the piece, what stands there instead, and every finding.

A finding is code, line:column-end, message, hint.
"""

from __future__ import annotations

Found = list[tuple[str, str, str, str]]

# fmt: off
BROKEN: list[tuple[str, str, Found]] = [
    ("version: 1", "version: one", [
        ("F204", "2:10-13", "version: \"one\" is not allowed", "a whole number"),
    ]),
    ("version: 1\n", "", [
        ("F202", "1:1-2", "key `version` is missing",
         "add `version:` (a whole number, raised with every change of behaviour)"),
    ]),
    ("flow: coffee", "flow: tea", [
        ("F206", "1:7-10", "the flow is called \"tea\", its file \"coffee.yaml\"",
         "write `flow: coffee` or rename the file"),
    ]),
    ("settings:", "setings:", [
        ("F201", "5:1-8", "key \"setings\" is not known here", "did you mean \"settings\"?"),
    ]),
    ("states:", "state:", [
        ("F201", "32:1-6", "key \"state\" is not known here", "did you mean \"states\"?"),
    ]),
    ("type: qty", "type: kilo", [
        ("F204", "6:16-20", "type: \"kilo\" is not allowed",
         "valid here: bool, bps, count, duration, duration range, money, price, qty, ratio, side, text, ticks"),
    ]),
    ("type: qty, ", "", [
        ("F202", "6:9-10", "dose: key `type` is missing",
         "add `type:` (the type with its unit, or `{one of: [a, b]}`)"),
    ]),
    ("default: 7", "default: -7", [
        ("T405", "6:30-32", "dose is -7, expected above 0", "grams of coffee for a cup"),
    ]),
    ("default: 20s", "default: 20", [
        ("T402", "7:39-41", "patience.default: \"20\" has no unit, expected a duration",
         "write `20s` for seconds or `20ms` for milliseconds"),
    ]),
    ("default: 100..300ms", "default: 300..100ms", [
        ("T405", "9:41-51", "rest.default: range \"300..100ms\" ends before it starts", "write `100ms..300ms`"),
    ]),
    ("start: 0, cap: 100", "start: 0", [
        ("T410", "13:3-7", "counter cups has no cap", "add `cap:`, the number at which counting stops"),
    ]),
    ("start: 0, cap: 100", "start: 0, cap: 100, max: 3", [
        ("F201", "13:43-46", "key \"max\" is not known here", "valid here: about, cap, start, type"),
    ]),
    ("start: 0, cap", "start: 500, cap", [
        ("T405", "13:30-33", "cups starts at 500, expected 0 to its cap 100", "start lower or raise the cap"),
    ]),
    ("grams: settings.dose,", "grams: settings.doze,", [
        ("N308", "17:21-34", "no name \"settings.doze\" here", "did you mean \"settings.dose\"?"),
    ]),
    ("price: 0.80", "price: cheap", [
        ("T401", "17:43-48", "\"cheap\" is no money", "write a decimal number such as `0.015`, without separators"),
    ]),
    ("served: the cup", "coin.inserted: the cup", [
        ("N311", "21:3-16", "event \"coin.inserted\" comes from outside already (a coin fell in)",
         "choose another name"),
        ("N302", "30:3-9", "no event \"served\"",
         "valid here: coin.inserted, cup.taken, door.closed, door.opened, drink.chosen"),
        ("N302", "59:81-87", "the flow raises no event \"served\"", "valid here: coin.inserted"),
        ("N302", "64:11-17", "no event \"served\"",
         "valid here: coin.inserted, cup.taken, door.closed, door.opened, drink.chosen"),
    ]),
    ("  coin.inserted: {do: [{display: thank", "  coin.insert: {do: [{display: thank", [
        ("N302", "24:3-14", "no event \"coin.insert\"", "did you mean \"coin.inserted\"?"),
    ]),
    ("cup.taken: nobody waits for it", "cup.taken:", [
        ("F203", "28:13-13", "cup.taken: found nothing, expected a text",
         "write the reason why the event needs no reaction"),
    ]),
    ("cup.taken: nobody waits for it", "cup.taken: [a]", [
        ("F203", "28:14-17", "cup.taken: found a list, expected a text",
         "write the reason why the event needs no reaction"),
    ]),
    ("to: CHOOSING}", "to: CHOSING}", [
        ("N301", "37:83-90", "no state \"CHOSING\"", "did you mean \"CHOOSING\"?"),
    ]),
    ("to: CHOOSING}", "goto: CHOOSING}", [
        ("F208", "37:11-94", "the row neither moves nor does anything", "add `to:` or `do:`, or use `ignore:`"),
        ("F201", "37:79-83", "key \"goto\" is not known here", "did you mean \"to\"?"),
    ]),
    ("to: CHOOSING}", "because: x}", [
        ("F208", "37:11-90", "the row neither moves nor does anything", "add `to:` or `do:`, or use `ignore:`"),
    ]),
    ("patience: IDLE", "patiense: IDLE", [
        ("N304", "41:7-15", "no setting \"patiense\"", "did you mean \"patience\"?"),
    ]),
    ("patience: IDLE", "dose: IDLE", [
        ("T403", "41:7-11", "setting dose is a qty, expected a duration or duration range", "name another setting"),
    ]),
    ("patience: IDLE", "settings.patiense * 2: IDLE", [
        ("N308", "41:7-24", "no name \"settings.patiense\" here", "did you mean \"settings.patience\"?"),
    ]),
    ("patience: IDLE", "settings.dose * 2: IDLE", [
        ("T403", "41:7-24", "`settings.dose * 2` is a qty, expected a duration", ""),
    ]),
    ("patience: IDLE", "20: IDLE", [
        ("T402", "41:7-9", "\"20\" has no unit, expected a duration or a range of durations",
         "write `20s` for seconds or `20ms` for milliseconds; a range is `1000..3000ms`"),
    ]),
    ("[espresso, lungo]\"", "[espreso, lungo]\"", [
        ("T409", "44:35-42", "\"espreso\" is no drink", "did you mean \"espresso\"?"),
    ]),
    ("{beep: }", "{beep: 3}", [
        ("F203", "45:24-25", "verb \"beep\" takes nothing", "write `{beep: }`"),
    ]),
    ("{beep: }", "{bep: }", [
        ("N303", "45:18-21", "no verb \"bep\"", "did you mean \"beep\"?"),
    ]),
    ("{beep: }", "{beep: , display: x}", [
        ("F205", "45:17-37", "do: found 2 entries, expected at most 1",
         "one verb with its value: `{verb: value}`, `{verb: {parameter: value}}` or `{verb: }`"),
    ]),
    ("{beep: }", "beep", [
        ("F203", "45:17-21", "do: found \"beep\", expected a mapping",
         "one verb with its value: `{verb: value}`, `{verb: {parameter: value}}` or `{verb: }`"),
    ]),
    ("[{beep: }]", "{beep: }", [
        ("F203", "45:16-24", "do: found a mapping, expected a list",
         "a list of actions such as `[{rest: opening}, {count: tries}]`"),
    ]),
    ("always: .filling", "always: .fillin", [
        ("N301", "52:17-24", "no state around BREWING.grinding has a child \"fillin\"", "did you mean \".filling\"?"),
    ]),
    ("always: .filling", "always: [.filling, {to: .full, when: water}]", [
        ("T403", "52:46-51", "`water` is a qty, expected a bool", "write a comparison"),
    ]),
    ("always: .filling", "always: []", [
        ("F205", "52:17-19", "always: found 0 entries, expected at least 1",
         "write a target or a row, or remove the key"),
    ]),
    ("grind: espresso", "grind: espreso", [
        ("N310", "51:25-32", "no recipe \"espreso\" is declared", "did you mean \"espresso\"?"),
    ]),
    ("grind: espresso", "brew: espresso", [
        ("N312", "51:18-22", "verb \"brew\" finishes later; it may only stand in `invoke:`",
         "write `invoke: {do: {brew: …}, timeout: 3s, done: …, error: …}`"),
    ]),
    ("grind: espresso", "grind: ", [
        ("N307", "51:18-23", "verb \"grind\" misses its parameter \"recipe\" (which recipe)",
         "write `{grind: {recipe: …}}`"),
    ]),
    ("{amount: settings.dose * 5, heat: 90%}", "{amont: 3}", [
        ("N307", "54:18-22", "verb \"pour\" misses its parameter \"amount\" (how much)",
         "write `{pour: {amount: …}}`"),
        ("N306", "54:25-30", "verb \"pour\" has no parameter \"amont\"", "did you mean \"amount\"?"),
    ]),
    ("{brew: espresso}", "{beep: }", [
        ("N312", "56:16-20", "verb \"beep\" has no reply; it may not stand in `invoke:`",
         "put it under `entry:` or `do:`"),
    ]),
    ("timeout: brew_timeout", "timeout: dose", [
        ("T403", "57:20-24", "setting dose is a qty, expected a duration", "name another setting"),
    ]),
    ("          timeout: brew_timeout\n", "", [
        ("F202", "56:11-12", "invoke: key `timeout` is missing",
         "add `timeout:` (a setting of type duration, or a literal; then `error`)"),
    ]),
    ("times: tries", "times: 1.5", [
        ("T401", "58:26-29", "\"1.5\" is no count", "write a whole number without a unit, such as `3`"),
    ]),
    ("event.poured > 0", "event.pored > 0", [
        ("N308", "59:35-46", "no name \"event.pored\" here", "did you mean \"event.poured\"?"),
    ]),
    ("{count: cups}", "{count: open}", [
        ("T403", "59:66-70", "open is a bool, expected a count", "use `set`"),
    ]),
    ("{count: cups}", "{count: cup}", [
        ("N305", "59:66-69", "no counter \"cup\"", "did you mean \"cups\"?"),
    ]),
    ("{raise: served}", "{raise: door.opened}", [
        ("N302", "59:81-92", "the flow raises no event \"door.opened\"", "valid here: served"),
    ]),
    ("final: true", "final: yes", [
        ("F204", "77:12-15", "final: \"yes\" is not allowed", "valid here: false, true"),
    ]),
    ("final: true", "final: true\n    states: {A: , B: {resting: true}}", [
        ("F207", "77:5-10", "STOPPED has states inside, so it cannot say `final`",
         "say `final` in the state inside that is meant"),
    ]),
    ("initial: grinding", "initial: grinder", [
        ("N301", "47:14-21", "BREWING has no child state \"grinder\"", "did you mean \"grinding\"?"),
    ]),
    ("{reset: cups}", "{reset: }", [
        ("F203", "74:66-66", "`reset` needs the name of one counter", "write `{reset: name}`"),
    ]),
    ("name: a cup comes, leads_to: {when: state == BREWING, then: state != BREWING}", "name: a cup comes", [
        ("F205", "82:5-24", "properties: found 1 entry, expected at least 2",
         "`{name: …}` with exactly one of always, never, sometimes, leads_to, on_entry, on_exit"),
    ]),
    ("then: state != BREWING", "then: state != BREWIN", [
        ("N301", "82:75-81", "no state \"BREWIN\"", "did you mean \"BREWING\"?"),
    ]),
    ("on_exit: {state: BREWING.full,", "on_exit: {state: BREWING.ful,", [
        ("N301", "84:48-59", "no state \"BREWING.ful\"", "did you mean \"BREWING.full\"?"),
    ]),
    ("on_exit: {state: BREWING.full, holds: context.cups > 0}", "on_entry: {state: BREWING.full}", [
        ("F205", "84:41-62", "on_entry: found 1 entry, expected at least 2",
         "`{state: NAME, from: [NAME, …]}`: entered from these states only; `{state: NAME, holds: …}`: holds"
         " whenever the state is entered"),
    ]),
    ("on_exit: {state: BREWING.full, holds", "on_entry: {state: BREWING.full, unless", [
        ("F205", "84:41-88", "on_entry with unless: expected `from`, or `from` and `unless`, or `holds`",
         "`{state: NAME, from: [NAME]}` or `{state: NAME, holds: …}`"),
    ]),
    ("on_exit: {state: BREWING.full, holds: context.cups > 0}", "on_entry: {state: SERVICE, from: [BREWIN]}", [
        ("N301", "84:65-71", "no state \"BREWIN\"", "did you mean \"BREWING\"?"),
    ]),
    ("name: it can serve", "name: a cup comes", [
        ("F209", "83:5-58", "\"a cup comes\" is the name of two properties; first at line 82", "choose another name"),
    ]),
    ("holds: water >= 0", "holds: water", [
        ("T403", "80:44-49", "`water` is a qty, expected a bool", "write a comparison"),
    ]),
    ("[drink.chosen]", "[drink.chose]", [
        ("N302", "68:17-28", "no event \"drink.chose\"", "did you mean \"drink.chosen\"?"),
    ]),
    ("states:\n  IDLE:\n", "states: []\nx:\n  IDLE:\n", [
        ("F203", "32:9-11", "states: found a list, expected a mapping",
         "the states by name; the first is the initial one"),
        ("F201", "33:1-2", "key \"x\" is not known here",
         "valid here: about, after, context, events, flow, ignore, invariants, on, properties, prove, "
         "recipes, settings, …"),
    ]),
    ("recipes:", "recipe:", [
        ("F201", "16:1-7", "key \"recipe\" is not known here", "did you mean \"recipes\"?"),
    ]),
    ("  patience: {type", "  pat-ience: {type", [
        ("F204", "7:3-12", "settings: \"pat-ience\" cannot be a name here",
         "a setting's name has letters, digits and _"),
        ("N304", "41:7-15", "no setting \"patience\"", "did you mean \"pat-ience\"?"),
    ]),
    ("  CHOOSING:\n    after:", "  X.Y: {always: .zzz}\n  CHOOSING:\n    after:", [
        ("F204", "39:3-6", "states: \"X.Y\" cannot be a name here", "a state's name has letters, digits and _"),
        ("N301", "39:17-21", "no state around X.Y has a child \"zzz\"",
         "valid here: .BREWING, .CHOOSING, .IDLE, .SERVICE, .STOPPED, .Y"),
    ]),
    ("{set: {open: true}}", "{set: {open: 3}}", [
        ("T403", "25:48-49", "`3` is a number, expected a bool", "write a comparison"),
    ]),
    ("{set: {open: true}}", "{draw: open}", [
        ("F203", "25:42-46", "`draw` needs `into:`, `from:` and `to:`",
         "write `{draw: {into: counter, from: lowest, to: highest}}`"),
    ]),
    ("{set: {open: true}}", "{draw: {into: open, from: 1, to: 2}}", [
        ("T403", "25:49-53", "open is a bool, expected a number", "use `set`"),
    ]),
    ("{set: {open: true}}", "{draw: {into: cups, from: settings.dose, to: 2}}", [
        ("T403", "25:61-74", "`settings.dose` is a qty, expected a count", ""),
    ]),
    ("{set: {open: true}}", "{set: open}", [
        ("F203", "25:41-45", "`set` needs counters and values", "write `{set: {name: value}}`"),
    ]),
    ("    resting: true\n    on:\n      door.closed", "    resting: [yes]\n    on:\n      door.closed", [
        ("F204", "72:14-19", "resting: \"['yes']\" is not allowed", "valid here: false, true"),
    ]),
    ("patience: {type: duration, default: 20s", "patience: {type: durations, default: 20s", [
        ("F204", "7:20-29", "type: \"durations\" is not allowed", "did you mean \"duration\"?"),
    ]),
    ("cups: {type: count, start: 0, cap: 100", "cups: {type: number, start: 0, cap: 100", [
        ("F204", "13:16-22", "type: \"number\" is not allowed",
         "valid here: bool, bps, count, duration, money, price, qty, ratio, side, text, ticks"),
    ]),
    ("type: duration, default: 20s,", "type: duration, default: 20s, at_most: 10s,", [
        ("T405", "7:39-42", "patience is 20s, expected at most 10s", "how long a choice may take"),
    ]),
    ("open: {type: bool, start: false", "open: {type: bool, start: false, cap: 3", [
        ("F207", "14:36-39", "open: only a count has a cap, found a bool", "remove `cap`"),
    ]),
    ("open: {type: bool, start: false", "open: {type: bool, start: no", [
        ("T401", "14:29-31", "open.start: \"no\" is neither true nor false", "write `true` or `false`"),
    ]),
    ("drink.chosen: nothing was paid", "drink.chosn: nothing was paid", [
        ("N302", "27:3-14", "no event \"drink.chosn\"", "did you mean \"drink.chosen\"?"),
    ]),
    ("always: .filling", "always: {to: .filling, when: event.value > 0}", [
        ("N308", "52:38-49", "no name \"event.value\" here",
         "no event attributes are known here; only rows of an event that has attributes may read `event.*`"),
    ]),
    ("timeout: brew_timeout", "timeout: 90", [
        ("T402", "57:20-22", "\"90\" has no unit, expected a duration",
         "write `90s` for seconds or `90ms` for milliseconds"),
    ]),
    ("timeout: brew_timeout", "timeout: -3s", [
        ("T401", "57:20-23", "\"-3s\" is no duration", "write `250ms`, `3s`, `1m30s` or `2h`"),
    ]),
    ("wait: 250ms", "wait: 1000..3000ms", [
        ("T401", "58:39-51", "\"1000..3000ms\" is no duration", "write `250ms`, `3s`, `1m30s` or `2h`"),
    ]),
    ("to: SERVICE, do", "to: .SERVICE.x, do", [
        ("N301", "25:21-31", "no state around the chart has a child \"SERVICE.x\"", "did you mean \".SERVICE\"?"),
    ]),
    ("{display: not enough}", "{display: [not enough]}", [
        ("F203", "38:27-39", "verb \"display\" takes a value, or a mapping of parameters",
         "write `{display: {text: …}}`"),
    ]),
    ("amount: settings.dose * 5", "amount: settings.dose * credit", [
        ("T404", "54:33-55", "`*` is not defined between a qty and money",
         "qty * price is money, money / price is qty"),
    ]),
    ("heat: 90%", "heat: 90s", [
        ("T401", "54:58-61", "\"90s\" is no ratio", "write `0.5%`, `50bps` or `0.005`"),
    ]),
    ("heat: 90%", "heat: 0.9, drink: coffee", [
        ("T409", "54:70-76", "\"coffee\" is no drink", "valid here: espresso, lungo, tea"),
    ]),
    ("{grind: espresso}", "{grind: {recipe: {name: espresso}}}", [
        ("F203", "51:34-50", "recipe needs the name of one recipe", "valid here: espresso, lungo"),
    ]),
    ("{raise: served}", "{raise: [served]}", [
        ("F203", "59:81-89", "`raise` needs the name of one event", "write `{raise: name}`"),
    ]),
    ("{count: cups}", "{reset: cup}", [
        ("N305", "59:66-69", "no counter \"cup\"", "did you mean \"cups\"?"),
    ]),
    ("price: 1.20}", "dear: 1.20}", [
        ("H699", "18:10-50", "recipe lungo needs `grams:` and `price:`", ""),
    ]),
    ("holds: water >= 0", "holds: event.value > 0", [
        ("N308", "80:44-55", "no name \"event.value\" here",
         "no event attributes are known here; only rows of an event that has attributes may read `event.*`"),
    ]),
    ("version: 1", "version: 1\nversion: 2\nabuot: twice", [
        ("Y107", "3:1-8", "key \"version\" stands twice; first at line 2, column 1",
         "remove one; a list of rows goes under one key"),
        ("F201", "4:1-6", "key \"abuot\" is not known here", "did you mean \"about\"?"),
    ]),
    ("resting: true\n    on:\n      coin", "resting: true\n    initial: x\n    on:\n      coin", [
        ("F207", "35:5-12", "IDLE has no states inside, `initial` means nothing", "remove `initial`"),
    ]),
    ("grams: settings.dose,", "grams: [settings.dose],", [
        ("F203", "17:21-36", "found a list, expected an expression of type qty", "write one value"),
    ]),
]
